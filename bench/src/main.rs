//! What Burgee costs: starting, telling a hundred streams of a toggle, and one evaluation over HTTP beside a
//! bare handler of the same framework in the same run. `bench/README.md` says how to read it.
#![expect(clippy::print_stdout, reason = "figures are what it is for")]

mod bare;
mod fanout;
mod flood;
mod load;
mod logins;
mod ofrep;
mod spread;
mod start;

use anyhow::{Context, Result, bail};

/// The program: beside this one, as `cargo build --release` puts it.
fn program() -> Result<String> {
    let path = std::env::current_exe()?.with_file_name("burgee");
    if !path.is_file() {
        bail!("{} is not there: cargo build --release -p burgee", path.display());
    }
    path.into_os_string().into_string().ok().context("the program's path is no text")
}

#[tokio::main]
async fn main() -> Result<()> {
    match std::env::args().nth(1).as_deref() {
        Some("bare") => bare::serve().await,
        Some("start") => start::run(&program()?).await,
        Some("fanout") => fanout::run(&program()?).await,
        Some("ofrep") => ofrep::run(&program()?).await,
        Some("logins") => logins::run(&program()?, std::env::args().nth(2).as_deref()).await,
        Some("flood") => flood::run(&program()?).await,
        None => {
            let program = program()?;
            start::run(&program).await?;
            fanout::run(&program).await?;
            ofrep::run(&program).await?;
            logins::run(&program, None).await?;
            flood::run(&program).await
        }
        Some(other) => bail!("{other:?} is none of start, fanout, ofrep, logins, flood"),
    }
}
