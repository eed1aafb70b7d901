// Reading a tour: commands in a Markdown file, each with what it is said to print.

import assert from 'node:assert/strict';
import { isDeepStrictEqual } from 'node:util';

/** Stands for anything in what is expected. */
const ANYTHING = '…';

/** What stands alone in a line before a block that is not run, and why. */
const NOT_RUN = /^<!-- not run: (.+) -->$/;
/** What stands alone in a line before a block that is run when the server has stopped. */
const STOPPED = '<!-- the server has stopped -->';

/**
 * All fenced blocks of a document.
 *
 * @param {string} markdown the whole document
 * @returns {{language: string, text: string, line: number, section: string, about: string, notRun?: string,
 *   isStopped: boolean}[]} in order; `line` counts from 1 and is the fence's, `section` is the line of the heading
 *   over it, `about` the last line of words before it, `notRun` why it is not run
 */
export function blocksOf(markdown) {
  const blocks = [];
  let [section, block, about, before] = ['', null, '', ''];
  for (const [index, line] of markdown.split('\n').entries()) {
    const fence = line.match(/^```(\w*)\s*$/);
    if (block) {
      if (fence) {
        blocks.push({ ...block, text: block.lines.join('\n') });
        [block, before] = [null, ''];
      } else {
        block.lines.push(line);
      }
    } else if (fence) {
      const [, notRun] = before.match(NOT_RUN) ?? [];
      const isStopped = before === STOPPED;
      block = { language: fence[1], lines: [], line: index + 1, section, about, notRun, isStopped };
    } else if (line.startsWith('## ')) {
      section = line;
    } else if (line.trim() !== '') {
      before = line.trim();
      if (!before.startsWith('<!--')) about = before.replace(/:$/, '');
    }
  }
  assert.equal(block, null, 'a fenced block has no end');
  return blocks;
}

/** Those under a heading, up to the next one of the same level; `heading` is how its line begins. */
export function blocksUnder(markdown, heading) {
  return blocksOf(markdown).filter(({ section }) => section.startsWith(heading));
}

/**
 * The commands of a tour, each with the blocks of expected output that follow it.
 *
 * @param {ReturnType<typeof blocksOf>} blocks as they stand
 */
export function stepsOf(blocks) {
  const steps = [];
  for (const block of blocks) {
    if (block.notRun) continue;
    if (block.language === 'sh') {
      steps.push({ ...block, expected: [] });
    } else {
      const { language, line } = block;
      assert.ok(
        ['json', 'text'].includes(language),
        `line ${line}: nobody checks a block of \`${language}\``,
      );
      assert.ok(steps.length > 0, `line ${line}: what prints this?`);
      steps.at(-1).expected.push(block);
    }
  }
  return steps;
}

/** Fails unless the output is what a block says. */
export function assertPrinted(output, { language, text }) {
  if (language === 'text') {
    assertLines(output, text);
    return;
  }
  const difference = firstDifference(JSON.parse(output), JSON.parse(text), '$');
  assert.equal(difference, null, `${difference}; it printed: ${output}`);
}

/** Every expected line must be a line of the output, in this order. */
function assertLines(output, text) {
  const lines = output.split('\n').map((line) => line.trim());
  let from = 0;
  for (const expected of text.split('\n').map((line) => line.trim())) {
    const at = lines.findIndex((line, index) => index >= from && matches(line, expected));
    assert.ok(at >= 0, `no line ${JSON.stringify(expected)}; it printed: ${output}`);
    from = at + 1;
  }
}

/** Whether a text is the expected one, in which `…` stands for anything. */
function matches(text, expected) {
  const [head, ...parts] = expected.split(ANYTHING);
  if (parts.length === 0) return text === expected;
  const tail = parts.pop();
  if (!text.startsWith(head)) return false;
  let from = head.length;
  for (const part of parts) {
    const at = text.indexOf(part, from);
    if (at < 0) return false;
    from = at + part.length;
  }
  return text.length - tail.length >= from && text.endsWith(tail);
}

/** Where a document lacks what is expected of it, in words; `null` if nowhere. Members may be more. */
function firstDifference(actual, expected, where) {
  const differs = () => `${where} is ${JSON.stringify(actual)}, not ${JSON.stringify(expected)}`;
  if (typeof expected === 'string') {
    const isSame = expected === ANYTHING || (typeof actual === 'string' && matches(actual, expected));
    return isSame ? null : differs();
  }
  if (expected === null || typeof expected !== 'object') {
    return isDeepStrictEqual(actual, expected) ? null : differs();
  }
  if (actual === null || typeof actual !== 'object' || Array.isArray(actual) !== Array.isArray(expected)) {
    return differs();
  }
  if (Array.isArray(expected) && actual.length !== expected.length) return differs();
  for (const [name, member] of Object.entries(expected)) {
    if (!Object.hasOwn(actual, name)) return `${where}.${name} is missing`;
    const difference = firstDifference(actual[name], member, `${where}.${name}`);
    if (difference !== null) return difference;
  }
  return null;
}
