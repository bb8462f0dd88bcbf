//! RSA keys made ahead of time, because making one takes a sixth of a second
//! and up to half of one, which nobody should wait for.
//!
//! A bank keeps keys in the user's cache folder (0700, files 0600), so that a
//! fresh process finds some; each key is drawn once, by one process, and is
//! gone from the folder before it is first used. Without a folder the keys
//! are kept in memory.

use std::collections::VecDeque;
use std::fs;
use std::io::{self, Write as _};
use std::os::unix::fs::{
    DirBuilderExt as _, MetadataExt as _, OpenOptionsExt as _, PermissionsExt as _,
};
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use arc_swap::ArcSwap;
use aws_lc_rs::encoding::{AsDer as _, Pkcs8V1Der};
use aws_lc_rs::rsa::{KeyPair, KeySize};
use base64::Engine as _;
use base64::engine::general_purpose::{STANDARD, URL_SAFE_NO_PAD};
use tokio::sync::OnceCell;

use crate::domain::Error;
use crate::domain::keys::{Key, PoolKeys};

/// How many keys a bank with a folder keeps ready.
const AHEAD: usize = 8;

/// A cheap handle on one bank.
#[derive(Clone, Debug)]
pub struct KeyBank(Arc<Bank>);

#[derive(Debug)]
struct Bank {
    folder: Option<PathBuf>,
    ahead: usize,
    in_memory: Mutex<VecDeque<Key>>,
    filling: AtomicBool,
}

impl KeyBank {
    /// A bank in `folder`, which is made when it is first filled. Nothing is
    /// read or made here.
    pub fn in_folder(folder: impl Into<PathBuf>) -> Self {
        Self::new(Some(folder.into()), AHEAD)
    }

    /// A bank in memory that keeps `ahead` keys ready.
    pub fn in_memory(ahead: usize) -> Self {
        Self::new(None, ahead)
    }

    fn new(folder: Option<PathBuf>, ahead: usize) -> Self {
        Self(Arc::new(Bank {
            folder,
            ahead,
            in_memory: Mutex::default(),
            filling: AtomicBool::new(false),
        }))
    }

    /// Fills the bank on a thread of its own, unless one is at it.
    pub fn refill(&self) {
        if self.0.filling.swap(true, Ordering::AcqRel) {
            return;
        }
        let bank = self.clone();
        let filler = std::thread::Builder::new().name("keybank".into());
        // Without a thread the bank stays empty, and who draws makes the key.
        if filler.spawn(move || bank.0.fill()).is_err() {
            self.0.filling.store(false, Ordering::Release);
        }
    }

    /// Draws a key, or makes one where there is none: never on an async
    /// thread.
    ///
    /// # Errors
    /// [`Error::Internal`] when no key can be made.
    pub fn draw(&self) -> Result<Key, Error> {
        let key = self.0.take().map_or_else(make, Ok);
        if self.0.ahead > 0 {
            self.refill();
        }
        key
    }

    /// Draws both keys of a pool side by side: where they must be made
    /// somebody waits.
    fn draw_two(&self) -> Result<PoolKeys, Error> {
        let (id, access) = std::thread::scope(|threads| {
            let access = threads.spawn(|| self.draw());
            (self.draw(), access.join())
        });
        let access = access.map_err(|_| Error::Internal("A key could not be drawn.".into()))?;
        Ok(PoolKeys {
            id: Arc::new(id?),
            access: Arc::new(access?),
            retired: Vec::new(),
            gone: None,
        })
    }

    /// The keys of a new pool, drawn when first asked for.
    pub fn ring(&self) -> Arc<KeyRing> {
        Arc::new(KeyRing {
            bank: self.clone(),
            keys: OnceCell::new(),
        })
    }
}

impl Bank {
    fn memory(&self) -> MutexGuard<'_, VecDeque<Key>> {
        self.in_memory
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
    }

    fn take(&self) -> Option<Key> {
        let in_memory = self.memory().pop_front();
        in_memory.or_else(|| self.folder.as_deref().and_then(take_from))
    }

    fn fill(&self) {
        if let Some(folder) = &self.folder {
            clear(folder);
        }
        loop {
            while self.count() < self.ahead {
                if let Err(error) = self.put_one() {
                    tracing::warn!(%error, "the key bank cannot be filled");
                    self.filling.store(false, Ordering::Release);
                    return;
                }
            }
            self.filling.store(false, Ordering::Release);
            // A key drawn between the last count and here found this thread
            // still at work and started none.
            if self.count() >= self.ahead || self.filling.swap(true, Ordering::AcqRel) {
                return;
            }
        }
    }

    fn count(&self) -> usize {
        self.folder
            .as_deref()
            .map_or_else(|| self.memory().len(), |folder| files(folder).len())
    }

    fn put_one(&self) -> io::Result<()> {
        let pair = generate().map_err(|error| io::Error::other(error.to_string()))?;
        match &self.folder {
            Some(folder) => put_into(folder, &pair),
            None => {
                let key = named(pair).map_err(|error| io::Error::other(error.to_string()))?;
                self.memory().push_back(key);
                Ok(())
            }
        }
    }
}

fn make() -> Result<Key, Error> {
    named(generate()?)
}

fn generate() -> Result<KeyPair, Error> {
    KeyPair::generate(KeySize::Rsa2048)
        .map_err(|_| Error::Internal("An RSA key could not be made.".into()))
}

/// A `kid` as Cognito's are: 32 random bytes in base64.
fn named(pair: KeyPair) -> Result<Key, Error> {
    Ok(Key::new(STANDARD.encode(random::<32>()?), pair))
}

fn random<const N: usize>() -> Result<[u8; N], Error> {
    let mut bytes = [0; N];
    aws_lc_rs::rand::fill(&mut bytes)
        .map_err(|_| Error::Internal("The system gives no randomness.".into()))?;
    Ok(bytes)
}

const READY: &str = "der";
const TAKEN: &str = "taken";
const UNFINISHED: &str = "new";

fn files(folder: &Path) -> Vec<PathBuf> {
    with_extension(folder, READY)
}

/// Removes keys that somebody took and did not live to use. Who is taking one
/// this moment and finds it gone takes the next.
fn clear(folder: &Path) {
    for taken in with_extension(folder, TAKEN) {
        let _ = fs::remove_file(taken);
    }
}

fn with_extension(folder: &Path, extension: &str) -> Vec<PathBuf> {
    let Ok(entries) = fs::read_dir(folder) else {
        return Vec::new();
    };
    entries
        .flatten()
        .map(|entry| entry.path())
        .filter(|path| path.extension().is_some_and(|e| e == extension))
        .collect()
}

/// Makes the folder if need be, for nobody but us.
fn prepare(folder: &Path) -> io::Result<()> {
    fs::DirBuilder::new()
        .recursive(true)
        .mode(0o700)
        .create(folder)?;
    if !is_ours(folder) {
        return Err(io::Error::other("the folder belongs to somebody else"));
    }
    fs::set_permissions(folder, fs::Permissions::from_mode(0o700))
}

/// Whether the folder itself, not what a link leads to, is ours: who else can
/// put a key there knows it.
fn is_ours(folder: &Path) -> bool {
    // The owner of /proc/self is the effective user.
    let me = fs::metadata("/proc/self").map(|process| process.uid());
    fs::symlink_metadata(folder).is_ok_and(|it| it.is_dir() && me.is_ok_and(|me| it.uid() == me))
}

fn is_private(folder: &Path) -> bool {
    let mode = fs::metadata(folder).map(|folder| folder.permissions().mode());
    is_ours(folder) && mode.is_ok_and(|mode| mode & 0o077 == 0)
}

fn put_into(folder: &Path, pair: &KeyPair) -> io::Result<()> {
    prepare(folder)?;
    let der: Pkcs8V1Der<'_> = pair
        .as_der()
        .map_err(|_| io::Error::other("an RSA key has no PKCS#8 form"))?;
    let name = random::<12>().map_err(|error| io::Error::other(error.to_string()))?;
    let name = URL_SAFE_NO_PAD.encode(name);
    let unfinished = folder.join(&name).with_extension(UNFINISHED);
    let mut file = fs::OpenOptions::new()
        .write(true)
        .create_new(true)
        .mode(0o600)
        .open(&unfinished)?;
    let written = file
        .write_all(der.as_ref())
        .and_then(|()| fs::rename(&unfinished, unfinished.with_extension(READY)));
    if written.is_err() {
        let _ = fs::remove_file(&unfinished);
    }
    written
}

/// Takes one key out of the folder. Of several processes that want the same
/// file one succeeds in renaming it; only that one reads it, and it is gone
/// before the key is used.
fn take_from(folder: &Path) -> Option<Key> {
    if !is_private(folder) {
        return None;
    }
    files(folder).into_iter().find_map(|ready| {
        let taken = ready.with_extension(TAKEN);
        fs::rename(&ready, &taken).ok()?;
        let der = fs::read(&taken);
        fs::remove_file(&taken).ok()?;
        named(KeyPair::from_pkcs8(&der.ok()?).ok()?).ok()
    })
}

/// One pool's keys, drawn when first needed.
#[derive(Debug)]
pub struct KeyRing {
    bank: KeyBank,
    keys: OnceCell<ArcSwap<PoolKeys>>,
}

impl KeyRing {
    /// The keys; waits for them on a blocking thread where the bank is empty.
    ///
    /// # Errors
    /// [`Error::Internal`] when no key can be made.
    pub async fn keys(&self) -> Result<Arc<PoolKeys>, Error> {
        let keys = self
            .keys
            .get_or_try_init(|| async { Ok::<_, Error>(ArcSwap::from_pointee(self.draw().await?)) })
            .await?;
        Ok(keys.load_full())
    }

    /// Begins drawing where an async runtime runs, so that the first sign-in
    /// need not wait.
    pub fn prefetch(self: &Arc<Self>) {
        if let Ok(runtime) = tokio::runtime::Handle::try_current() {
            let ring = Arc::clone(self);
            // Whoever needs the keys asks again and gets the error.
            runtime.spawn(async move { drop(ring.keys().await) });
        }
    }

    /// Replaces both keys; the former ones stay published if `keep`.
    ///
    /// # Errors
    /// [`Error::Internal`] when no key can be made.
    pub async fn rotate(&self, keep: bool) -> Result<(), Error> {
        let old = self.keys().await?;
        let mut new = self.draw().await?;
        if keep {
            new.retired = old.published().cloned().collect();
            new.gone.clone_from(&old.gone);
        } else {
            new.gone = Some(Arc::clone(&old.id));
        }
        if let Some(keys) = self.keys.get() {
            keys.store(Arc::new(new));
        }
        Ok(())
    }

    async fn draw(&self) -> Result<PoolKeys, Error> {
        let bank = self.bank.clone();
        tokio::task::spawn_blocking(move || bank.draw_two())
            .await
            .map_err(|error| Error::Internal(error.to_string()))?
    }
}

#[cfg(test)]
impl KeyBank {
    /// A bank for tests that want signatures and do not care whose: it holds
    /// keys made once for the whole test process.
    pub(crate) fn for_tests() -> Self {
        static KEYS: std::sync::LazyLock<Vec<Vec<u8>>> = std::sync::LazyLock::new(|| {
            let der = |_| {
                let pair = generate().expect("a key");
                let der: Pkcs8V1Der<'_> = pair.as_der().expect("its DER");
                der.as_ref().to_vec()
            };
            (0..4).map(der).collect()
        });
        let bank = Self::in_memory(0);
        for der in KEYS.iter() {
            let pair = KeyPair::from_pkcs8(der).expect("a key");
            bank.0.memory().push_back(named(pair).expect("a name"));
        }
        bank
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn mode(path: &Path) -> u32 {
        let metadata = fs::metadata(path).expect("it exists");
        metadata.permissions().mode() & 0o777
    }

    #[test]
    fn keys_are_kept_for_nobody_but_the_user() {
        let folder = tempfile::tempdir().expect("a folder");
        let folder = folder.path().join("rolecall/keys");
        put_into(&folder, &generate().expect("a key")).expect("kept");
        assert_eq!(mode(&folder), 0o700);
        let kept = files(&folder);
        assert_eq!(kept.len(), 1);
        assert_eq!(mode(&kept[0]), 0o600);
    }

    #[test]
    fn a_key_is_drawn_once_by_one_of_many_and_leaves_nothing_behind() {
        let folder = tempfile::tempdir().expect("a folder");
        let pairs = [(); 2].map(|()| generate().expect("a key"));
        for pair in &pairs {
            put_into(folder.path(), pair).expect("kept");
        }
        let drawn: Vec<Option<Key>> = std::thread::scope(|threads| {
            let draw = || threads.spawn(|| take_from(folder.path()));
            let drawing: Vec<_> = [(); 6].iter().map(|()| draw()).collect();
            let joined = drawing.into_iter().map(|t| t.join().expect("drew"));
            joined.collect()
        });
        let mut moduli: Vec<_> = drawn.iter().flatten().map(Key::modulus).collect();
        moduli.sort_unstable();
        moduli.dedup();
        assert_eq!(moduli.len(), drawn.iter().flatten().count(), "none twice");
        // Who lost a race may have gone away with nothing; what is left is
        // still whole.
        while take_from(folder.path()).is_some() {}
        let left: Vec<_> = fs::read_dir(folder.path()).expect("a folder").collect();
        assert!(left.is_empty(), "{left:?}");
    }

    #[test]
    fn a_folder_that_others_can_write_or_that_a_link_leads_to_is_not_drawn_from() {
        let folder = tempfile::tempdir().expect("a folder");
        let own = folder.path().join("own");
        put_into(&own, &generate().expect("a key")).expect("kept");
        let link = folder.path().join("link");
        std::os::unix::fs::symlink(&own, &link).expect("a link");
        assert!(take_from(&link).is_none());
        assert!(put_into(&link, &generate().expect("a key")).is_err());
        let open = |mode| {
            let open = fs::set_permissions(&own, fs::Permissions::from_mode(mode));
            open.expect("changed");
        };
        open(0o777);
        assert!(take_from(&own).is_none());
        open(0o700);
        assert!(take_from(&own).is_some());
    }

    #[test]
    fn what_is_no_key_is_passed_over() {
        let folder = tempfile::tempdir().expect("a folder");
        fs::write(folder.path().join("x.der"), b"no key").expect("written");
        assert!(take_from(folder.path()).is_none());
    }

    #[test]
    fn a_key_taken_by_who_died_is_cleared_away() {
        let folder = tempfile::tempdir().expect("a folder");
        let taken = folder.path().join("x.taken");
        fs::write(&taken, b"a key").expect("written");
        KeyBank::new(Some(folder.path().into()), 0).0.fill();
        assert!(!taken.exists());
    }

    #[test]
    fn a_bank_fills_itself_and_is_drawn_from() {
        let folder = tempfile::tempdir().expect("a folder");
        let bank = KeyBank::new(Some(folder.path().into()), 2);
        bank.0.fill();
        assert_eq!(bank.0.count(), 2);
        let first = bank.0.take().expect("a key");
        let second = bank.0.take().expect("another");
        assert_ne!(first.modulus(), second.modulus());
        assert_eq!(bank.0.count(), 0);
    }

    #[tokio::test]
    async fn two_fresh_starts_share_no_key() {
        let keys = async || {
            let ring = KeyBank::in_memory(0).ring();
            let keys = ring.keys().await.expect("keys");
            [&keys.id, &keys.access].map(|key| key.modulus().to_owned())
        };
        let (one, other) = (keys().await, keys().await);
        assert_ne!(one[0], one[1]);
        assert!(one.iter().all(|key| !other.contains(key)));
    }

    #[tokio::test]
    async fn rotation_replaces_both_keys_and_keeps_the_old_ones_if_told() {
        let ring = KeyBank::for_tests().ring();
        let before = ring.keys().await.expect("keys");
        ring.rotate(true).await.expect("rotated");
        let after = ring.keys().await.expect("keys");
        assert_eq!(after.published().count(), 4);
        assert!(after.by_kid(before.id.kid()).is_some());
        assert_ne!(after.id.kid(), before.id.kid());
        ring.rotate(false).await.expect("rotated");
        let last = ring.keys().await.expect("keys");
        assert_eq!(last.published().count(), 2);
        assert!(last.by_kid(before.id.kid()).is_none());
        let gone = last.gone.as_ref().expect("the one before");
        assert_eq!(gone.kid(), after.id.kid());
    }
}
