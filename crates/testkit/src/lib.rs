//! Tests only: contract suites, the app harness, fakes, the architecture test.

pub mod fakes;
pub mod process;
pub mod postgres;
pub mod store_contract;
