// The flags of the OpenFeature tests, as a developer writes them.

const PREMIUM = { attribute: 'plan', operator: 'equals', values: ['premium'] };

/** One flag of each shape that a value can have: `usual` for everyone, `premium` for those with that plan. */
export const SHAPES = [
  { key: 'new-search', kind: 'boolean', usual: false, premium: true },
  { key: 'greeting', kind: 'string', usual: 'Hello', premium: 'Servus, grüß dich' },
  { key: 'page-size', kind: 'number', usual: 25, premium: 100 },
  { key: 'discount', kind: 'number', usual: 0, premium: 0.125 },
  {
    key: 'theme',
    kind: 'object',
    usual: { colour: 'teal', sizes: [1, 2] },
    premium: { colour: 'gold', sizes: [] },
  },
  { key: 'regions', kind: 'object', usual: ['AT', 'DE'], premium: ['AT', 'DE', 'CH'] },
];

/** The flags of `SHAPES`. */
export const shapedFlags = SHAPES.map(({ key, kind, usual, premium }) => ({
  key,
  kind,
  enabled: true,
  variants: [
    { key: 'usual', value: usual },
    { key: 'premium', value: premium },
  ],
  rules: [{ when: PREMIUM, serve: { variant: 'premium' } }],
  default: { variant: 'usual' },
  client_visible: true,
}));

/** A boolean flag that is raised for everyone. */
export const shown = { key: 'shown', enabled: true, client_visible: true };

/** A flag that two people are given something else of, by their keys. */
export const invited = {
  key: 'invited',
  kind: 'string',
  enabled: true,
  variants: [
    { key: 'guest', value: 'as a guest' },
    { key: 'host', value: 'as a host' },
  ],
  targets: [{ variant: 'host', keys: ['ada', 'Grace'] }],
  default: { variant: 'guest' },
  client_visible: true,
};

/**
 * A flag split where `docs/evaluation.md` says that `user-2` is: at 22688. The first share ends right before
 * that place, the second is that place alone.
 */
export const divided = {
  key: 'new-checkout-flow',
  kind: 'string',
  enabled: true,
  variants: [
    { key: 'below', value: 'below 22688' },
    { key: 'there', value: '22688' },
    { key: 'above', value: 'above 22688' },
  ],
  default: {
    split: [
      { variant: 'below', weight: 22_688 },
      { variant: 'there', weight: 1 },
      { variant: 'above', weight: 77_311 },
    ],
  },
  client_visible: true,
};

/** A flag that tests raise and lower. */
export const toggled = { key: 'toggled', enabled: true, client_visible: true };

/** A flag that is not raised, although it has someone to be raised for. */
export const lowered = {
  key: 'lowered',
  kind: 'number',
  enabled: false,
  variants: [
    { key: 'many', value: 9 },
    { key: 'none', value: 0 },
  ],
  off_variant: 'none',
  targets: [{ variant: 'many', keys: ['ada'] }],
  default: { variant: 'many' },
  client_visible: true,
};

/** A flag that exists, and leaves its value to the application. */
export const undecided = { key: 'undecided', enabled: true, default: null, client_visible: true };

/** A flag that browsers are not shown. */
export const hidden = { key: 'hidden', enabled: true, client_visible: false };
