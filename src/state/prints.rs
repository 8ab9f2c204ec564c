//! The filter's prints, in memory that a random look-up reaches quickly.

use std::ops::Deref;

use memmap2::MmapMut;
use outflow_sdk::print::Print;

/// From this many bytes on, huge pages are asked for: below, the array fits the processor's caches.
const LARGE: usize = 4 << 20;

/// Bytes of one print.
const SIZE: usize = size_of::<Print>();

/// A growing array of prints. Large ones ask the system for huge pages: each probe touches another
/// place, and with small pages it would wait for the page tables as long as for the print.
#[derive(Debug)]
pub(super) enum Prints {
    /// On the heap.
    Heap(Vec<Print>),
    /// In pages of its own.
    Mapped {
        /// The pages.
        map: MmapMut,
        /// Prints in it.
        len: usize,
    },
}

impl Prints {
    /// An empty array with room for so many prints.
    pub(super) fn with_capacity(prints: usize) -> Self {
        let bytes = prints.saturating_mul(SIZE);
        if bytes < LARGE {
            return Prints::Heap(Vec::with_capacity(prints));
        }
        match MmapMut::map_anon(bytes) {
            Ok(map) => {
                // Advice may be refused; the array is then as good as any other. Only Linux takes it.
                #[cfg(target_os = "linux")]
                let _ = map.advise(memmap2::Advice::HugePage);
                Prints::Mapped { map, len: 0 }
            }
            Err(_) => Prints::Heap(Vec::with_capacity(prints)),
        }
    }

    /// Adds a print.
    #[inline]
    pub(super) fn push(&mut self, print: Print) {
        match self {
            Prints::Heap(prints) => prints.push(print),
            Prints::Mapped { map, len } => match map.get_mut(*len * SIZE..(*len + 1) * SIZE) {
                Some(place) => {
                    place.copy_from_slice(&print.to_ne_bytes());
                    *len += 1;
                }
                None => {
                    let mut prints = self.to_vec();
                    prints.push(print);
                    *self = Prints::Heap(prints);
                }
            },
        }
    }
}

impl Deref for Prints {
    type Target = [Print];

    #[inline]
    fn deref(&self) -> &[Print] {
        match self {
            Prints::Heap(prints) => prints,
            // Pages are aligned, so the cast cannot fail.
            Prints::Mapped { map, len } => map
                .get(..len * SIZE)
                .and_then(|bytes| bytemuck::try_cast_slice(bytes).ok())
                .unwrap_or_default(),
        }
    }
}

impl PartialEq for Prints {
    fn eq(&self, other: &Self) -> bool {
        self[..] == other[..]
    }
}

impl Eq for Prints {}

impl From<Vec<Print>> for Prints {
    fn from(prints: Vec<Print>) -> Self {
        Prints::Heap(prints)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_large_array_holds_what_was_pushed_and_grows_beyond_its_room() {
        let room = LARGE / SIZE;
        let mut prints = Prints::with_capacity(room);
        assert!(matches!(prints, Prints::Mapped { .. }));
        (0..room as u64 + 3).for_each(|print| prints.push(print));
        assert_eq!(prints.len(), room + 3);
        assert!(prints.iter().copied().eq(0..room as u64 + 3));
        assert!(matches!(Prints::with_capacity(10), Prints::Heap(_)));
    }
}
