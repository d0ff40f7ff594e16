//! clone(2) as vfork(2): a child that runs on the stack of its parent, below all that the parent uses, while the
//! parent waits.
//!
//! By the system call itself, not by the C library's `clone`. That function takes a stack for the child, and this is
//! the best one: its pages are in use anyway, the kernel guards its end, and its size is RLIMIT_STACK. But a stack
//! below the caller overlaps with the frame of that `clone`, whose size is the library's own matter (musl 1.2.5: 312
//! bytes on x86_64), and then the child overwrites what the parent needs to return.
//!
//! The assembly is the system call, and in the child the call of a function that does not return. The child
//! writes nothing at or above the stack pointer of the parent, and uses no frame of the parent's. So a shadow stack,
//! which the kernel shares with a vfork child, stays as it is. An asm! block without the option `nostack` finds nothing
//! of the compiler's below the stack pointer. It may find that not aligned for a call: on x86, rustc has the code that
//! aligns it only on the ways through a function that call another one. So the child aligns it.
//!
//! The kernel keeps the registers, the result's excepted, on all of these machines but x86_64 (rcx, r11) and
//! powerpc64 (r0, r3 to r12, and the condition, count and exception registers).

use std::arch::asm;
use std::ffi::{c_int, c_long, c_void};

use nix::errno::Errno;

/// What the child shares, and which signal its parent receives when it exits.
const FLAGS: c_int = libc::CLONE_VM | libc::CLONE_VFORK | libc::SIGCHLD;

/// The child's only function.
pub type Child = unsafe extern "C" fn(*mut c_void) -> !;

/// Makes a child that calls `child(argument)`, in new namespaces as `namespaces` says (CLONE_NEWPID and others). Returns
/// its pid when the child has executed a program or exited.
///
/// # Errors
/// What clone(2) says: EAGAIN, ENOMEM; with `namespaces` EPERM, ENOSPC.
///
/// # Safety
/// The child has the parent's memory. `child` must not change what the parent needs to continue.
pub unsafe fn vfork(namespaces: c_int, child: Child, argument: *mut c_void) -> Result<c_int, Errno> {
    // SAFETY: as this function's own comment says.
    let answer = unsafe { clone(c_long::from(FLAGS | namespaces), child, argument) };
    // A pid is below 2^22, and an error number below 4096.
    match answer as c_int {
        error if error < 0 => Err(Errno::from_raw(-error)),
        pid => Ok(pid),
    }
}

/// The system call of [`vfork`].
#[cfg(target_arch = "x86_64")]
#[inline(always)]
unsafe fn clone(flags: c_long, child: Child, argument: *mut c_void) -> c_long {
    let answer: c_long;
    // SAFETY: for the parent this is one system call. The child is as the module's comment says.
    unsafe {
        asm!(
            "syscall",
            "test rax, rax",
            "jnz 2f",
            "and rsp, -16",
            "mov rdi, r9",
            "call r8",
            "2:",
            inlateout("rax") libc::SYS_clone => answer,
            in("rdi") flags,
            in("rsi") 0_usize,
            in("r8") child,
            in("r9") argument,
            lateout("rcx") _,
            lateout("r11") _,
        );
    }
    answer
}

/// The system call of [`vfork`].
#[cfg(target_arch = "x86")]
#[inline(always)]
unsafe fn clone(flags: c_long, child: Child, argument: *mut c_void) -> c_long {
    let answer: c_long;
    // SAFETY: as above. ebx is the compiler's; its place is above what the child writes to.
    unsafe {
        asm!(
            "sub esp, 16",
            "mov [esp], ebx",
            "mov ebx, ecx",
            "xor ecx, ecx",
            "int 0x80",
            "mov ebx, [esp]",
            "test eax, eax",
            "jnz 2f",
            "and esp, -16",
            "sub esp, 12",
            "push edx",
            "call edi",
            "2:",
            "add esp, 16",
            inlateout("eax") libc::SYS_clone => answer,
            inlateout("ecx") flags => _,
            in("edx") argument,
            in("edi") child,
        );
    }
    answer
}

/// The system call of [`vfork`].
#[cfg(target_arch = "aarch64")]
#[inline(always)]
unsafe fn clone(flags: c_long, child: Child, argument: *mut c_void) -> c_long {
    let answer: c_long;
    // SAFETY: as above.
    unsafe {
        asm!(
            "svc 0",
            "cbnz x0, 2f",
            "mov x0, x10",
            "blr x9",
            "2:",
            inlateout("x0") flags => answer,
            in("x1") 0_usize,
            in("x8") libc::SYS_clone,
            in("x9") child,
            in("x10") argument,
        );
    }
    answer
}

/// The system call of [`vfork`].
#[cfg(target_arch = "arm")]
#[inline(always)]
unsafe fn clone(flags: c_long, child: Child, argument: *mut c_void) -> c_long {
    let answer: c_long;
    // SAFETY: as above. r7 is the frame pointer in Thumb code, so it cannot be an operand.
    unsafe {
        asm!(
            "mov r12, r7",
            "mov r7, #{number}",
            "svc 0",
            "mov r7, r12",
            "cmp r0, #0",
            "bne 2f",
            "mov r0, r3",
            "blx r2",
            "2:",
            number = const libc::SYS_clone,
            inlateout("r0") flags => answer,
            in("r1") 0_usize,
            in("r2") child,
            in("r3") argument,
            out("r12") _,
        );
    }
    answer
}

/// The system call of [`vfork`].
#[cfg(target_arch = "riscv64")]
#[inline(always)]
unsafe fn clone(flags: c_long, child: Child, argument: *mut c_void) -> c_long {
    let answer: c_long;
    // SAFETY: as above.
    unsafe {
        asm!(
            "ecall",
            "bnez a0, 2f",
            "mv a0, a4",
            "jalr a3",
            "2:",
            inlateout("a0") flags => answer,
            in("a1") 0_usize,
            in("a3") child,
            in("a4") argument,
            in("a7") libc::SYS_clone,
        );
    }
    answer
}

/// The system call of [`vfork`].
#[cfg(target_arch = "powerpc64")]
#[inline(always)]
unsafe fn clone(flags: c_long, child: Child, argument: *mut c_void) -> c_long {
    let answer: c_long;
    // SAFETY: as above. An error has the summary overflow bit set and its number above 0. The child needs a
    // frame header for what it calls, and its address in r12 (ELFv2).
    unsafe {
        asm!(
            "sc",
            "bns 1f",
            "neg 3, 3",
            "1:",
            "cmpdi 3, 0",
            "bne 2f",
            "stdu 1, -32(1)",
            "mr 3, 15",
            "mr 12, 14",
            "mtctr 12",
            "bctrl",
            "2:",
            inlateout("r0") libc::SYS_clone => _,
            inlateout("r3") flags => answer,
            inlateout("r4") 0_usize => _,
            in("r14") child,
            in("r15") argument,
            lateout("r5") _, lateout("r6") _, lateout("r7") _, lateout("r8") _,
            lateout("r9") _, lateout("r10") _, lateout("r11") _, lateout("r12") _,
            lateout("ctr") _, lateout("xer") _, lateout("cr0") _, lateout("cr1") _,
            lateout("cr5") _, lateout("cr6") _, lateout("cr7") _,
        );
    }
    answer
}

/// The system call of [`vfork`].
#[cfg(target_arch = "s390x")]
#[inline(always)]
unsafe fn clone(flags: c_long, child: Child, argument: *mut c_void) -> c_long {
    let answer: c_long;
    // SAFETY: as above. The stack comes before the flags here. The child needs room for the registers that what it
    // calls will save.
    unsafe {
        asm!(
            "svc 0",
            "ltgr %r2, %r2",
            "jne 2f",
            "aghi %r15, -160",
            "lgr %r2, %r9",
            "basr %r14, %r8",
            "2:",
            in("r1") libc::SYS_clone,
            inlateout("r2") 0_usize => answer,
            in("r3") flags,
            in("r8") child,
            in("r9") argument,
        );
    }
    answer
}

#[cfg(all(test, target_arch = "x86_64"))]
mod tests {
    use std::arch::naked_asm;

    use super::*;

    /// Writes by how many bytes the stack that it is called with is not aligned, and exits.
    #[unsafe(naked)]
    unsafe extern "C" fn child(misalignment: *mut c_void) -> ! {
        naked_asm!(
            "lea rax, [rsp + 8]",
            "and rax, 15",
            "mov [rdi], rax",
            "xor edi, edi",
            "mov eax, {exit}",
            "syscall",
            exit = const libc::SYS_exit,
        )
    }

    extern "C" fn start(misalignment: *mut c_void) -> c_int {
        // SAFETY: the child writes to the number alone.
        unsafe { vfork(0, child, misalignment) }.unwrap()
    }

    #[test]
    fn the_child_aligns_its_stack() {
        for shift in [0_u64, 8] {
            let mut misalignment = 99_u64;
            let pid: c_int;
            // SAFETY: the stack pointer is restored. `start` uses no instruction that takes an aligned stack.
            unsafe {
                asm!(
                    "sub rsp, r12",
                    "call {start}",
                    "add rsp, r12",
                    start = sym start,
                    in("r12") shift,
                    inout("rdi") &raw mut misalignment => _,
                    lateout("eax") pid,
                    clobber_abi("C"),
                );
            }
            // SAFETY: the call writes nothing.
            assert_eq!(unsafe { libc::waitpid(pid, std::ptr::null_mut(), 0) }, pid);
            assert_eq!(misalignment, 0, "shift {shift}");
        }
    }
}
