import js from '@eslint/js';

export default [
  js.configs.recommended,
  {
    languageOptions: {
      // Everything else that Node offers is imported by its name.
      globals: { fetch: 'readonly', URL: 'readonly', AbortSignal: 'readonly', structuredClone: 'readonly' },
    },
    rules: {
      eqeqeq: 'error',
      'no-console': 'error',
      'no-shadow': 'error',
      'no-var': 'error',
      'object-shorthand': 'error',
      'prefer-const': 'error',
    },
  },
  {
    // Programs of the documentation, written as anyone would.
    files: ['providers/javascript/connect*.mjs'],
    languageOptions: { globals: { console: 'readonly', document: 'readonly', process: 'readonly' } },
    rules: { 'no-console': 'off' },
  },
];
