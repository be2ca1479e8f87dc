//! Tickets for one principal, got with its key from one keytab, in memory and gone with whoever holds them. This is the
//! one place where the Kerberos library is called directly.
#![expect(
    unsafe_code,
    reason = "the safe binding to the library can neither name a keytab and a cache, nor take a cache away again"
)]

use std::ffi::{CStr, CString, c_char, c_int, c_void};
use std::os::unix::ffi::OsStrExt as _;
use std::path::Path;
use std::ptr;
use std::sync::atomic::{AtomicU64, Ordering};

use libgssapi::credential::Cred;
use libgssapi::error::{Error, MajorFlags};
use libgssapi::oid::{GSS_MECH_KRB5, GSS_NT_KRB5_PRINCIPAL};
use libgssapi_sys::{
    _GSS_C_INDEFINITE, GSS_C_INITIATE, GSS_S_COMPLETE, gss_OID_desc, gss_OID_set_desc, gss_acquire_cred_from,
    gss_buffer_desc, gss_cred_id_t, gss_cred_usage_t, gss_import_name, gss_key_value_element_desc,
    gss_key_value_set_desc, gss_name_t, gss_release_name,
};

/// The tickets of a principal. The fields are dropped in this order: the credential, then what it refers to.
pub(super) struct Tickets {
    credential: Cred,
    _cache: Cache,
}

impl Tickets {
    /// Gets a ticket-granting ticket. It blocks while the Kerberos servers are asked, for as long as the library waits
    /// for them. Neither the keytab nor the tickets that this process or its user may have otherwise are looked at.
    ///
    /// # Errors
    /// When there is none to be had.
    pub fn acquire(keytab: &Path, principal: &str) -> Result<Self, Error> {
        let name = Name::import(principal)?;
        let cache = Cache::new();
        let keytab = CString::new([b"FILE:", keytab.as_os_str().as_bytes()].concat()).map_err(|_| failure())?;
        let mut elements = [element(c"client_keytab", &keytab), element(c"ccache", &cache.0)];
        let store = gss_key_value_set_desc { count: 2, elements: elements.as_mut_ptr() };
        let mut mechanism = oid(&GSS_MECH_KRB5);
        let mut mechanisms = gss_OID_set_desc { count: 1, elements: &raw mut mechanism };
        let (mut minor, mut credential): (u32, gss_cred_id_t) = (0, ptr::null_mut());
        // SAFETY: all that is pointed to is alive and as long as said until the call returns, and the library keeps no
        // pointer to it (RFC 2743, section 2.1.1, and the library's credential store extension, which copies). What it
        // does not write is said by null pointers, as it allows.
        let major = unsafe {
            gss_acquire_cred_from(
                &raw mut minor,
                name.0,
                _GSS_C_INDEFINITE,
                &raw mut mechanisms,
                GSS_C_INITIATE as gss_cred_usage_t,
                &raw const store,
                &raw mut credential,
                ptr::null_mut(),
                ptr::null_mut(),
            )
        };
        done(major, minor)?;
        // SAFETY: the credential was made just now, and nobody else has it.
        let credential = unsafe { Cred::from_c(credential) };
        Ok(Self { credential, _cache: cache })
    }

    /// What a security context is begun with.
    pub fn credential(&self) -> Cred {
        self.credential.clone()
    }
}

/// The name of a principal, as the library keeps it.
struct Name(gss_name_t);

impl Name {
    fn import(principal: &str) -> Result<Self, Error> {
        let mut text = gss_buffer_desc { length: principal.len(), value: principal.as_ptr().cast_mut().cast() };
        let mut kind = oid(&GSS_NT_KRB5_PRINCIPAL);
        let (mut minor, mut name): (u32, gss_name_t) = (0, ptr::null_mut());
        // SAFETY: text and kind are alive until the call returns, are only read, and are copied.
        let major = unsafe { gss_import_name(&raw mut minor, &raw mut text, &raw mut kind, &raw mut name) };
        done(major, minor).map(|()| Self(name))
    }
}

impl Drop for Name {
    fn drop(&mut self) {
        let mut minor = 0;
        // SAFETY: the name is the library's own, and nobody else has it.
        let _ = unsafe { gss_release_name(&raw mut minor, &raw mut self.0) };
    }
}

#[link(name = "krb5")]
unsafe extern "C" {
    fn krb5_init_context(context: *mut *mut c_void) -> c_int;
    fn krb5_free_context(context: *mut c_void);
    fn krb5_cc_resolve(context: *mut c_void, name: *const c_char, cache: *mut *mut c_void) -> c_int;
    fn krb5_cc_destroy(context: *mut c_void, cache: *mut c_void) -> c_int;
}

/// The name of a cache in memory that nobody else uses. The library keeps such caches until they are taken away.
struct Cache(CString);

impl Cache {
    fn new() -> Self {
        static NEXT: AtomicU64 = AtomicU64::new(0);
        let name = format!("MEMORY:provisor-{}", NEXT.fetch_add(1, Ordering::Relaxed));
        // Digits hold no NUL.
        Self(CString::new(name).unwrap_or_default())
    }
}

impl Drop for Cache {
    fn drop(&mut self) {
        let (mut context, mut cache) = (ptr::null_mut(), ptr::null_mut());
        // SAFETY: each call gets what the one before it made, and only if that succeeded; `krb5_cc_destroy` takes the
        // cache, and the context is freed last. Whoever still has the cache open has a count on it of their own.
        unsafe {
            if krb5_init_context(&raw mut context) != 0 {
                return;
            }
            if krb5_cc_resolve(context, self.0.as_ptr(), &raw mut cache) == 0 {
                let _ = krb5_cc_destroy(context, cache);
            }
            krb5_free_context(context);
        }
    }
}

fn element(key: &'static CStr, value: &CStr) -> gss_key_value_element_desc {
    gss_key_value_element_desc { key: key.as_ptr(), value: value.as_ptr() }
}

/// An object identifier; the library only reads it.
fn oid(octets: &'static [u8]) -> gss_OID_desc {
    gss_OID_desc {
        length: u32::try_from(octets.len()).unwrap_or_default(),
        elements: octets.as_ptr().cast_mut().cast(),
    }
}

fn done(major: u32, minor: u32) -> Result<(), Error> {
    if major == GSS_S_COMPLETE { Ok(()) } else { Err(Error { major: MajorFlags::from_bits_retain(major), minor }) }
}

fn failure() -> Error {
    Error { major: MajorFlags::GSS_S_FAILURE, minor: 0 }
}
