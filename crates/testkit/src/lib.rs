//! Tests only: contract suites, the app harness, fakes, the architecture test.

pub mod process;
pub mod fakes;
