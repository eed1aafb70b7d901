//! Each adapter keeps the bus's contract.

use std::sync::Arc;

use anyhow::Result;
use burgee_bus::InProcess;
use testkit::bus_contract;

#[tokio::test]
async fn in_process() -> Result<()> {
    let bus = || Arc::new(InProcess::default());
    bus_contract::wakes_everyone(bus()).await?;
    bus_contract::forgets(bus()).await?;
    bus_contract::needs_nobody(bus()).await?;
    Ok(())
}
