// Building the programs of `providers/`, each with its language's own tools. What is fetched is pinned.

import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import { createHash } from 'node:crypto';
import { once } from 'node:events';
import { access, mkdir, readFile, rm, writeFile } from 'node:fs/promises';
import { homedir } from 'node:os';
import path from 'node:path';
import process from 'node:process';
import { fileURLToPath } from 'node:url';

const here = fileURLToPath(new URL('.', import.meta.url));
/** What is kept between runs, outside the clone. */
const cache = process.env.XDG_CACHE_HOME ?? path.join(homedir(), '.cache');
/** How long fetching and building may take, in milliseconds: the first time all of Maven's own plugins come. */
const PATIENCE = 600_000;

/** Runs a tool to its end. It has all of the developer's environment: mirrors and proxies are set there. */
async function run(folder, hint, command, ...args) {
  const signal = AbortSignal.timeout(PATIENCE);
  const options = { cwd: path.join(here, folder), signal, stdio: ['ignore', 'pipe', 'pipe'] };
  const child = spawn(command, args, options);
  const printed = [child.stdout, child.stderr].map((stream) => stream.setEncoding('utf8').toArray());
  const ended = once(child, 'close').catch((error) => {
    assert.equal(error.code, 'ENOENT', `${command} ${args.join(' ')}: ${error}`);
    return assert.fail(`${command} is not installed: ${hint}`);
  });
  const [[code, killed], ...texts] = await Promise.all([ended, ...printed]);
  assert.equal(code ?? killed, 0, `${command} ${args.join(' ')}: ${texts.flat().join('')}`);
}

const isThere = (file) =>
  access(file).then(
    () => true,
    () => false,
  );

/** Builds the Go programs, and gives how to start one. */
export async function buildGo() {
  const bin = path.join(here, 'go', 'target');
  await mkdir(bin, { recursive: true });
  const hint = 'get Go 1.26 or newer from https://go.dev';
  await run('go', hint, 'go', 'build', '-buildvcs=false', '-o', `${bin}${path.sep}`, './...');
  return (program) => [path.join(bin, program === 'ask' ? 'e2e' : program)];
}

/** Makes a Python with what is pinned, and gives how to start a program with it. */
export async function buildPython() {
  const requirements = path.join(here, 'python', 'requirements.txt');
  const pinned = createHash('sha256')
    .update(await readFile(requirements))
    .digest('hex')
    .slice(0, 12);
  const venv = path.join(cache, `burgee-e2e-python-${pinned}`);
  if (!(await isThere(path.join(venv, 'complete')))) {
    const hint = "get Python 3.11 or newer with its module venv (Debian's package python3-venv)";
    await rm(venv, { recursive: true, force: true });
    await run('python', hint, 'python3', '-m', 'venv', venv);
    const pip = ['--quiet', '--disable-pip-version-check', '--requirement', requirements];
    await run('python', hint, path.join(venv, 'bin', 'pip'), 'install', ...pip);
    await writeFile(path.join(venv, 'complete'), '');
  }
  const python = path.join(venv, 'bin', 'python');
  return (program) => [python, path.join(here, 'python', `${program}.py`)];
}

/** Builds the Java programs, and gives how to start one. */
export async function buildJava() {
  const hint = "get JDK 17 or newer and Maven (Debian's packages openjdk-17-jdk-headless and maven)";
  await run('java', hint, 'mvn', '--batch-mode', '--quiet', 'process-classes');
  const target = path.join(here, 'java', 'target');
  const classes = [path.join(target, 'classes'), path.join(target, 'lib', '*')].join(path.delimiter);
  return (program) => {
    const name = program[0].toUpperCase() + program.slice(1);
    return ['java', '-XX:TieredStopAtLevel=1', '-cp', classes, name];
  };
}

/** How a program in JavaScript is started. */
export async function buildJavaScript() {
  return (program) => [process.execPath, path.join(here, 'javascript', `${program}.mjs`)];
}
