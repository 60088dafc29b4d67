//! How many connections there may be, in all and from one address.

use std::{
    collections::{HashMap, hash_map::Entry},
    net::{IpAddr, Ipv6Addr},
    sync::{
        Arc, Mutex, MutexGuard, PoisonError,
        atomic::{AtomicUsize, Ordering::Relaxed},
    },
};

use super::Refusal;

/// The connections of one listener, counted over all of its workers.
#[derive(Debug)]
pub(in crate::http) struct Admission {
    connections_max: usize,
    per_address_max: usize,
    connections: AtomicUsize,
    by_address: Mutex<HashMap<IpAddr, usize>>,
}

impl Admission {
    pub(in crate::http) fn new(connections_max: usize, per_address_max: usize) -> Arc<Self> {
        let (connections, by_address) = (AtomicUsize::new(0), Mutex::default());
        Arc::new(Self { connections_max, per_address_max, connections, by_address })
    }

    /// Lets a connection of `peer` in, if there is room. One whose address is not known counts in all only.
    pub(super) fn admit(self: &Arc<Self>, peer: Option<IpAddr>) -> Result<Permit, Refusal> {
        // The permit gives back what it counts, also when it is refused a moment later.
        let mut permit = Permit { admission: self.clone(), peer, counted: None };
        if self.connections.fetch_add(1, Relaxed) >= self.connections_max {
            return Err(Refusal::Full);
        }
        if let Some(address) = peer.map(whose) {
            let mut by_address = self.by_address();
            let count = by_address.entry(address).or_default();
            if *count >= self.per_address_max {
                return Err(Refusal::FullForAddress);
            }
            *count += 1;
            permit.counted = Some(address);
        }
        Ok(permit)
    }

    fn by_address(&self) -> MutexGuard<'_, HashMap<IpAddr, usize>> {
        self.by_address.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// One connection's room, given back when it is dropped.
#[derive(Debug)]
pub(super) struct Permit {
    admission: Arc<Admission>,
    peer: Option<IpAddr>,
    counted: Option<IpAddr>,
}

impl Permit {
    /// Who the connection is from.
    pub(super) fn peer(&self) -> Option<IpAddr> {
        self.peer
    }
}

impl Drop for Permit {
    fn drop(&mut self) {
        self.admission.connections.fetch_sub(1, Relaxed);
        let Some(address) = self.counted else { return };
        if let Entry::Occupied(mut count) = self.admission.by_address().entry(address) {
            *count.get_mut() -= 1;
            if *count.get() == 0 {
                count.remove();
            }
        }
    }
}

/// The address that a connection counts for. Whoever has one IPv6 address has the whole /64 that it is in (RFC 6177), and
/// an IPv4 address is the same one on a socket that takes both.
fn whose(peer: IpAddr) -> IpAddr {
    match peer.to_canonical() {
        IpAddr::V4(address) => address.into(),
        IpAddr::V6(address) => Ipv6Addr::from_bits(address.to_bits() & !u128::from(u64::MAX)).into(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn address(text: &str) -> IpAddr {
        text.parse().expect("an address")
    }

    #[test]
    fn room_is_given_back_in_all_and_to_its_address() {
        let admission = Admission::new(3, 2);
        let admit = |text: &str| admission.admit(Some(address(text)));
        for _ in 0..3 {
            let first = admit("192.0.2.1").expect("room");
            let second = admit("::ffff:192.0.2.1").expect("room");
            assert_eq!(admit("192.0.2.1").err(), Some(Refusal::FullForAddress));
            let other = admit("192.0.2.2").expect("what is refused takes no room");
            assert_eq!(admit("192.0.2.3").err(), Some(Refusal::Full));
            drop(second);
            assert_eq!(admit("192.0.2.1").map(drop), Ok(()));
            drop((first, other));
        }
        assert_eq!(admission.connections.load(Relaxed), 0);
        assert!(admission.by_address().is_empty(), "addresses are forgotten");
    }

    #[test]
    fn an_ipv6_network_counts_as_one() {
        let admission = Admission::new(10, 1);
        let first = admission.admit(Some(address("2001:db8::1")));
        assert_eq!(admission.admit(Some(address("2001:db8::2:3:4:5"))).err(), Some(Refusal::FullForAddress));
        assert!(admission.admit(Some(address("2001:db8:0:1::1"))).is_ok());
        drop(first);
    }
}
