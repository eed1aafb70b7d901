// The official OpenFeature providers against the running program. In one process, so that their programs are built once.

import './providers/suite_scenario.mjs';
import './providers/suite_trouble.mjs';
import './providers/suite_documentation.mjs';
