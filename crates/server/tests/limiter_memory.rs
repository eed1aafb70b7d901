//! A million addresses stay within 64 MB, and nearly all of them are remembered. Alone in its process, so that what is
//! measured is the limiter.
#![expect(clippy::unwrap_used, reason = "a test that cannot go on stops")]

use std::net::{IpAddr, Ipv4Addr};
use std::time::{Duration, Instant};

use burgee_server::doors::limiter::{Limiter, Quota};

/// Bytes of this process that are in memory.
fn resident() -> u64 {
    let status = std::fs::read_to_string("/proc/self/status").unwrap();
    let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:")).unwrap();
    line.trim().strip_suffix(" kB").unwrap().parse::<u64>().unwrap() * 1024
}

#[test]
fn a_million_addresses_stay_within_64_mb() {
    const ADDRESSES: u32 = 1_000_000;
    let quota = Quota { rate: 1, burst: 2 };
    let now = Duration::from_secs(1);
    let before = resident();
    let limiter = Limiter::new([42; 16]);
    let idle = resident() - before;
    let address = |number: u32| IpAddr::from(Ipv4Addr::from_bits(number.wrapping_mul(2_654_435_761)));
    let asked = Instant::now();
    for number in 0..ADDRESSES {
        assert!(
            limiter.take(address(number), quota, now).is_ok()
                && limiter.take(address(number), quota, now).is_ok()
        );
    }
    let took = asked.elapsed() / (2 * ADDRESSES);
    let grown = resident() - before;
    let refused = (0..ADDRESSES).filter(|number| limiter.take(address(*number), quota, now).is_err()).count();
    println!(
        "{idle} bytes without anybody, {grown} with {ADDRESSES}, of whom {refused} are remembered; {took:?} each"
    );
    assert!(idle < 1 << 20, "{idle} bytes for nobody");
    assert!(grown < 64_000_000, "{grown} bytes");
    assert!(refused > 970_000, "only {refused} are remembered");
    // Ten million more, as from a botnet: no more memory, and nobody is refused who asks for the first time.
    for number in ADDRESSES..11 * ADDRESSES {
        assert!(limiter.take((number, 6_u8), quota, now).is_ok());
    }
    assert!(resident() - before < 64_000_000);
}
