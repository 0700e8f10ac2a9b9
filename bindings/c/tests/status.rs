//! Status codes are those of the one table, and no panic crosses the border.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing, reason = "tests")]

use mediveil_bridge::Kind;
use mediveil_c::*;
use std::ffi::{c_char, c_void};
use std::ptr::{null, null_mut};

#[test]
fn every_kind_has_the_status_of_its_code() {
    for kind in Kind::ALL {
        assert_eq!(mediveil_status::from(kind) as i32, kind.code(), "{kind:?}");
    }
}

unsafe extern "C-unwind" fn ends(_: *mut c_void, _: *mut u8, _: usize) -> isize {
    0
}

unsafe extern "C-unwind" fn takes(_: *mut c_void, _: *const u8, _: usize) -> i32 {
    0
}

unsafe extern "C-unwind" fn panics_reading(_: *mut c_void, _: *mut u8, _: usize) -> isize {
    panic!("a reader's panic with patient data in it")
}

unsafe extern "C-unwind" fn panics_writing(_: *mut c_void, _: *const u8, _: usize) -> i32 {
    panic!("a writer's panic with patient data in it")
}

/// Reads one byte too many for the library's buffer, as far as its answer says.
unsafe extern "C-unwind" fn lies(_: *mut c_void, _: *mut u8, len: usize) -> isize {
    isize::try_from(len).unwrap() + 1
}

fn last_error() -> String {
    let mut text = [0_u8; 256];
    let mut len = text.len();
    // SAFETY: the buffer and the variable are there, and as long as is said.
    let status = unsafe { mediveil_last_error(text.as_mut_ptr().cast::<c_char>(), &mut len) };
    assert_eq!(status, mediveil_status::MEDIVEIL_OK);
    String::from_utf8(text[..len - 1].to_vec()).unwrap()
}

#[test]
fn a_panic_in_a_callback_is_a_status_and_the_handles_go_on() {
    use mediveil_status::*;
    let (mut to, mut keys) = (null_mut(), null_mut());
    // SAFETY: every pointer is that of a variable or a handle, and every text ends with a zero.
    unsafe {
        assert_eq!(mediveil_recipients_new(&mut to), MEDIVEIL_OK);
        assert_eq!(mediveil_recipients_add_passphrase(to, c"seven llamas".as_ptr()), MEDIVEIL_OK);
        assert_eq!(mediveil_keys_new(&mut keys), MEDIVEIL_OK);
        assert_eq!(mediveil_keys_add_passphrase(keys, c"seven llamas".as_ptr()), MEDIVEIL_OK);
        let seal = |read: mediveil_read, write: mediveil_write| {
            mediveil_seal_stream(to, null(), null(), 0, read, write, null_mut(), null_mut())
        };
        assert_eq!(seal(Some(panics_reading), Some(takes)), MEDIVEIL_PANIC);
        assert_eq!(last_error(), "a fault in the library");
        assert_eq!(seal(Some(ends), Some(panics_writing)), MEDIVEIL_PANIC);
        assert_eq!(seal(Some(lies), Some(takes)), MEDIVEIL_CALLBACK);
        assert_eq!(seal(Some(ends), Some(takes)), MEDIVEIL_OK);
        let open = |read: mediveil_read| mediveil_open_stream(keys, null(), read, Some(takes), null_mut(), null_mut());
        assert_eq!(open(Some(panics_reading)), MEDIVEIL_PANIC);
        assert_eq!(open(Some(lies)), MEDIVEIL_CALLBACK);
        assert_eq!(open(Some(ends)), MEDIVEIL_DAMAGED);
        mediveil_recipients_free(&mut to);
        mediveil_keys_free(&mut keys);
    }
    assert!(to.is_null() && keys.is_null());
    assert_eq!(mediveil_handles(), 0);
}
