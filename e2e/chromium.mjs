// Where the browser is that tests are run in.

import assert from 'node:assert/strict';
import { access, constants } from 'node:fs/promises';
import path from 'node:path';
import process from 'node:process';

/** How the browser may be called. */
const NAMES = ['chromium', 'chromium-browser', 'google-chrome'];

/** The path of Chromium; fails with what to install if there is none. */
export async function findBrowser() {
  const folders = process.env.PATH.split(path.delimiter);
  for (const file of folders.flatMap((folder) => NAMES.map((name) => path.join(folder, name)))) {
    const isThere = await access(file, constants.X_OK).then(
      () => true,
      () => false,
    );
    if (isThere) return file;
  }
  return assert.fail(`none of ${NAMES.join(', ')} is installed: get Debian's package chromium`);
}
