//! Tests only: contract suites, the app harness, fakes, the architecture test.

pub mod bus_contract;
pub mod fakes;
pub mod house;
pub mod postgres;
pub mod problem;
pub mod process;
pub mod sqlite;
pub mod store_contract;
pub mod way;
