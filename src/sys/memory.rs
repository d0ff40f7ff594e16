//! The memory that strings and lists are made of. The C library's allocator would be a tenth of the
//! whole binary and touch three pages more; podinit needs little memory, and by one thread.

use std::alloc::{GlobalAlloc, Layout};
use std::cell::UnsafeCell;
use std::ptr;

use super::OWN_FAILURE;
use super::fd::write_stderr_nowait;

#[cfg(not(any(test, fuzzing)))]
mod global {
    use super::*;

    #[global_allocator]
    static ALLOCATOR: Allocator = Allocator::new(ROOM.0.get().cast(), size_of::<Room>());

    static ROOM: Room = Room(UnsafeCell::new([0; 768]));

    /// Where the first blocks lie. What the usual options need fits in it, so that they cost no page: packaging/layout.ld
    /// has it in the one of init's other variables.
    #[repr(align(256))]
    struct Room(UnsafeCell<[u8; 768]>);

    // SAFETY: only the one allocator has its address, and this process has one thread.
    unsafe impl Sync for Room {}
}

/// Blocks are as many bytes as a power of two, and lie at a multiple of that. A block given back waits
/// for the next request of its size. Blocks above [`LARGEST`] are the kernel's to give and to take, and
/// lie where a page begins.
struct Allocator(UnsafeCell<Pool>);

/// 16 bytes, the smallest block: it can hold a [`Free`], and any type can be aligned in it.
const SMALLEST: usize = 4;
/// 32 KiB.
const LARGEST: usize = 15;
/// The least alignment of what the kernel gives.
const PAGE: usize = 4096;
/// How much is mapped at a time (mmap(2)). Pages that are not touched cost nothing.
const CHUNK: usize = 1 << (LARGEST + 1);

struct Pool {
    /// By the power of two, the first one of the blocks that wait.
    free: [*mut Free; LARGEST + 1],
    /// What has not been given out of the first room, or of the last chunk.
    next: *mut u8,
    left: usize,
}

struct Free {
    next: *mut Free,
}

impl Allocator {
    /// The allocator that begins with the `left` bytes at `next`, which are its own.
    const fn new(next: *mut u8, left: usize) -> Allocator {
        Allocator(UnsafeCell::new(Pool { free: [ptr::null_mut(); LARGEST + 1], next, left }))
    }
}

// SAFETY: this process has one thread, and no signal handlers.
unsafe impl Sync for Allocator {}

// SAFETY: a block has at least the size and the alignment that the layout says, or is null, and belongs to
// no other user until it is given back.
unsafe impl GlobalAlloc for Allocator {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        let power = power(layout);
        if power > LARGEST {
            // No type of podinit's has more than a page's alignment.
            return if layout.align() <= PAGE { map(1 << power) } else { ptr::null_mut() };
        }
        // SAFETY: no other code uses the pool meanwhile: there is one thread, and nothing in here allocates.
        let pool = unsafe { &mut *self.0.get() };
        let free = pool.free[power];
        if free.is_null() {
            return pool.carve(1 << power);
        }
        // SAFETY: a block that waits is a `Free`, written by `dealloc`.
        pool.free[power] = unsafe { (*free).next };
        free.cast()
    }

    unsafe fn dealloc(&self, block: *mut u8, layout: Layout) {
        let power = power(layout);
        if power > LARGEST {
            // SAFETY: `alloc` has mapped it, at this size, and its user is done with it.
            unsafe { libc::munmap(block.cast(), 1 << power) };
            return;
        }
        // SAFETY: as in `alloc`; and the block is the allocator's again, and large enough for a `Free`.
        unsafe {
            let pool = &mut *self.0.get();
            let free: *mut Free = block.cast();
            free.write(Free { next: pool.free[power] });
            pool.free[power] = free;
        }
    }

    unsafe fn realloc(&self, block: *mut u8, layout: Layout, size: usize) -> *mut u8 {
        // SAFETY: the caller answers for the size, which does not overflow at this alignment.
        let wanted = unsafe { Layout::from_size_align_unchecked(size, layout.align()) };
        if power(wanted) == power(layout) {
            return block;
        }
        // SAFETY: the two do not overlap, and as many bytes as are copied are in both.
        unsafe {
            let moved = self.alloc(wanted);
            if !moved.is_null() {
                ptr::copy_nonoverlapping(block, moved, size.min(layout.size()));
                self.dealloc(block, layout);
            }
            moved
        }
    }
}

/// The power of two that a block of this layout is.
fn power(layout: Layout) -> usize {
    let size = layout.size().max(layout.align()).max(1 << SMALLEST);
    (usize::BITS - (size - 1).leading_zeros()) as usize
}

impl Pool {
    /// A block that was never given out.
    fn carve(&mut self, size: usize) -> *mut u8 {
        let mut skipped = self.next.addr().wrapping_neg() & (size - 1);
        if self.left < skipped + size {
            // What is left of the old chunk is given up: less than twice `size`.
            let chunk = map(CHUNK);
            (self.next, self.left) = (chunk, CHUNK);
            skipped = chunk.addr().wrapping_neg() & (size - 1);
        }
        let block = self.next.wrapping_add(skipped);
        self.next = block.wrapping_add(size);
        self.left -= skipped + size;
        block
    }
}

/// Memory from the kernel. Where it has none, init exits: Rust's own way is abort(3), which a PID 1 survives until it
/// executes an instruction that it may not, behind a backtrace.
fn map(size: usize) -> *mut u8 {
    // SAFETY: a new mapping, at an address that is free.
    let memory = unsafe {
        libc::mmap(
            ptr::null_mut(),
            size,
            libc::PROT_READ | libc::PROT_WRITE,
            libc::MAP_PRIVATE | libc::MAP_ANONYMOUS,
            -1,
            0,
        )
    };
    if memory == libc::MAP_FAILED {
        let _ = write_stderr_nowait(b"podinit: out of memory\n");
        // SAFETY: _exit touches no memory, and does not come back.
        unsafe { libc::_exit(OWN_FAILURE.into()) }
    }
    memory.cast()
}

/// Releases the memory that the code of options and failures is mapped in, where packaging/layout.ld has set that apart:
/// the kernel maps 64 KiB around each page that is touched, and counts all of it as init's. What is needed again comes back
/// from the file (madvise(2), MADV_DONTNEED).
pub fn release_cold_code() {
    #[cfg(cold_code)]
    {
        unsafe extern "C" {
            static cold_code: u8;
            static cold_code_end: u8;
        }
        let (begin, end) = (&raw const cold_code, &raw const cold_code_end);
        // SAFETY: there is nothing but code of the file between the two, which nothing writes to; and this is no part of
        // it.
        unsafe { libc::madvise(begin.cast_mut().cast(), end.addr() - begin.addr(), libc::MADV_DONTNEED) };
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A block of the test's, filled with a byte of its own.
    struct Held {
        block: *mut u8,
        layout: Layout,
        fill: u8,
    }

    impl Held {
        fn new(allocator: &Allocator, size: usize, align: usize, fill: u8) -> Held {
            let layout = Layout::from_size_align(size, align).unwrap();
            // SAFETY: the block is as large as the layout says.
            let block = unsafe { allocator.alloc(layout) };
            assert!(!block.is_null());
            assert_eq!(block.addr() % align, 0, "{layout:?}");
            // SAFETY: as above.
            unsafe { block.write_bytes(fill, size) };
            Held { block, layout, fill }
        }

        fn check(&self) {
            // SAFETY: it has been written from end to end.
            let bytes = unsafe { std::slice::from_raw_parts(self.block, self.layout.size()) };
            assert!(bytes.iter().all(|&byte| byte == self.fill), "{:?} was written to", self.layout);
        }

        fn resize(&mut self, allocator: &Allocator, size: usize) {
            let kept = size.min(self.layout.size());
            // SAFETY: the block is of this allocator and this layout, and afterwards as large as `size`.
            unsafe {
                self.block = allocator.realloc(self.block, self.layout, size);
                assert!(std::slice::from_raw_parts(self.block, kept).iter().all(|&byte| byte == self.fill));
                self.block.write_bytes(self.fill, size);
            }
            self.layout = Layout::from_size_align(size, self.layout.align()).unwrap();
        }

        fn give_back(self, allocator: &Allocator) {
            self.check();
            // SAFETY: the block is of this allocator and this layout.
            unsafe { allocator.dealloc(self.block, self.layout) };
        }
    }

    #[test]
    fn no_block_is_given_out_twice() {
        let allocator = Allocator::new(ptr::null_mut(), 0);
        let mut held: Vec<Held> = Vec::new();
        // The same pseudo-random course each time (a linear congruence of Knuth's).
        let mut state = 1_u64;
        let mut random = |below: usize| {
            state = state.wrapping_mul(6364136223846793005).wrapping_add(1442695040888963407);
            (state >> 33) as usize % below
        };
        for turn in 0..20_000 {
            let longest = 1 << random(18);
            let size = 1 + random(longest);
            match random(3) {
                0 if !held.is_empty() => held.swap_remove(random(held.len())).give_back(&allocator),
                1 if !held.is_empty() => {
                    let any = random(held.len());
                    held[any].resize(&allocator, size);
                }
                _ if held.len() < 100 => {
                    let align = 1 << random(7);
                    held.push(Held::new(&allocator, size, align, turn as u8));
                }
                _ => {}
            }
            if turn % 100 == 0 {
                held.iter().for_each(Held::check);
            }
        }
        held.into_iter().for_each(|it| it.give_back(&allocator));
    }

    #[test]
    fn what_is_given_back_is_given_out_again() {
        let allocator = Allocator::new(ptr::null_mut(), 0);
        let first = Held::new(&allocator, 100, 1, 1);
        let block = first.block;
        first.give_back(&allocator);
        let second = Held::new(&allocator, 120, 8, 2);
        assert_eq!(second.block, block);
        second.give_back(&allocator);
    }
}
