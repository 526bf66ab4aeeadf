//! pool.rs — memory that work may hold: what can spill keeps to a part of it.
//!
//! DataFusion's own fair pool gives whoever can spill all that is free, so a sort grows with its rows until the machine's share is
//! full. Here sorts and the like share `spillable`, and joins, which never spill (55.2), have the rest.
use std::fmt::{self, Display, Formatter};
use std::sync::{Mutex, MutexGuard, PoisonError};

use datafusion::common::{Result, resources_datafusion_err};
use datafusion::execution::memory_pool::{
    MemoryConsumer, MemoryLimit, MemoryPool, MemoryReservation, human_readable_size,
};

/// What everybody who can spill may hold: less would be many small files, which are merged again.
const LEAST: usize = 16 << 20;

#[derive(Debug, Default)]
struct Held {
    n_spillers: usize,
    spillable: usize,
    unspillable: usize,
}

impl Held {
    /// What those like `reservation` hold together.
    fn part(&mut self, reservation: &MemoryReservation) -> &mut usize {
        if reservation.consumer().can_spill() { &mut self.spillable } else { &mut self.unspillable }
    }
}

#[derive(Debug)]
pub struct SharedPool {
    limit: usize,
    spillable: usize,
    held: Mutex<Held>,
}

impl SharedPool {
    /// `spillable` of `limit` bytes are for those who can spill.
    pub fn new(limit: usize, spillable: usize) -> SharedPool {
        SharedPool { limit, spillable: spillable.min(limit), held: Mutex::default() }
    }

    fn held(&self) -> MutexGuard<'_, Held> {
        self.held.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Bytes that `reservation` may still take: a fair part of what is for spillers is its own in any case, and beyond it what
    /// the others leave. Who holds nothing has nothing to spill: a sort (55.2) that gets no memory for its first batch fails,
    /// however large that is, so only the limit of all bounds it.
    fn available(&self, held: &Held, reservation: &MemoryReservation) -> usize {
        let free = self.limit.saturating_sub(held.spillable + held.unspillable);
        if !reservation.consumer().can_spill() || reservation.size() == 0 {
            return free;
        }
        let fair = (self.spillable / held.n_spillers.max(1)).max(LEAST).saturating_sub(reservation.size());
        free.min(fair.max(self.spillable.saturating_sub(held.spillable)))
    }
}

impl Display for SharedPool {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        let (limit, spillable) = (human_readable_size(self.limit), human_readable_size(self.spillable));
        write!(f, "shared(limit: {limit}, for spillers: {spillable})")
    }
}

impl MemoryPool for SharedPool {
    fn name(&self) -> &'static str {
        "shared"
    }

    fn register(&self, consumer: &MemoryConsumer) {
        self.held().n_spillers += usize::from(consumer.can_spill());
    }

    fn unregister(&self, consumer: &MemoryConsumer) {
        let mut held = self.held();
        held.n_spillers = held.n_spillers.saturating_sub(usize::from(consumer.can_spill()));
    }

    fn grow(&self, reservation: &MemoryReservation, additional: usize) {
        *self.held().part(reservation) += additional;
    }

    fn shrink(&self, reservation: &MemoryReservation, shrink: usize) {
        let mut held = self.held();
        let part = held.part(reservation);
        *part = part.saturating_sub(shrink);
    }

    fn try_grow(&self, reservation: &MemoryReservation, additional: usize) -> Result<()> {
        let mut held = self.held();
        let available = self.available(&held, reservation);
        if additional > available {
            return Err(resources_datafusion_err!(
                "Failed to allocate additional {} for {} with {} already allocated: {} remain available in the pool: {}",
                human_readable_size(additional),
                reservation.consumer().name(),
                human_readable_size(reservation.size()),
                human_readable_size(available),
                self
            ));
        }
        *held.part(reservation) += additional;
        Ok(())
    }

    fn reserved(&self) -> usize {
        let held = self.held();
        held.spillable + held.unspillable
    }

    fn memory_limit(&self) -> MemoryLimit {
        MemoryLimit::Finite(self.limit)
    }
}

unsafe extern "C" {
    fn mi_collect(force: bool);
}

/// Give free memory back to the machine when the process holds more than `keep` bytes; 0: never. The allocator by itself keeps
/// for seconds what it may need again, which is fast, and grows with the work of those seconds.
pub fn give_back(keep: u64) {
    if keep > 0 && resident().is_some_and(|bytes| bytes > keep) {
        // SAFETY: of mimalloc, the global allocator; frees what nobody holds, from any thread.
        unsafe { mi_collect(true) };
    }
}

fn resident() -> Option<u64> {
    let status = std::fs::read_to_string("/proc/self/status").ok()?;
    let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:"))?;
    let kilobytes: u64 = line.trim().strip_suffix(" kB")?.parse().ok()?;
    Some(kilobytes << 10)
}
