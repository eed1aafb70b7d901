//! The load driver; `lib.rs` has all of it. It asks Linux for what it needs to be exact, and is nothing elsewhere.

#[cfg(target_os = "linux")]
fn main() -> anyhow::Result<()> {
    burgee_bench::main()
}

#[cfg(not(target_os = "linux"))]
fn main() -> anyhow::Result<()> {
    anyhow::bail!("figures are measured on Linux")
}
