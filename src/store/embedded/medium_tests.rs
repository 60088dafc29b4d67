use redb::backends::InMemoryBackend;

use super::*;

/// A medium in memory that can be made to fail.
#[derive(Debug, Clone, Default)]
struct Memory {
    bytes: Arc<Mutex<Vec<u8>>>,
    failing: Arc<AtomicBool>,
}

impl Memory {
    fn change(&self, act: impl FnOnce(&mut Vec<u8>)) -> io::Result<()> {
        if self.failing.load(Ordering::SeqCst) {
            return Err(io::ErrorKind::StorageFull.into());
        }
        act(&mut self.bytes.lock().expect("no panic"));
        Ok(())
    }

    fn content(&self) -> Vec<u8> {
        self.bytes.lock().expect("no panic").clone()
    }
}

impl StorageBackend for Memory {
    fn len(&self) -> io::Result<u64> {
        Ok(self.content().len() as u64)
    }

    fn read(&self, offset: u64, out: &mut [u8]) -> io::Result<()> {
        let end = to_usize(offset) + out.len();
        out.copy_from_slice(self.content().get(to_usize(offset)..end).ok_or(io::ErrorKind::UnexpectedEof)?);
        Ok(())
    }

    fn set_len(&self, len: u64) -> io::Result<()> {
        self.change(|bytes| bytes.resize(to_usize(len), 0))
    }

    fn sync_data(&self) -> io::Result<()> {
        self.change(|_| ())
    }

    fn write(&self, offset: u64, data: &[u8]) -> io::Result<()> {
        self.change(|bytes| bytes[to_usize(offset)..to_usize(offset) + data.len()].copy_from_slice(data))
    }
}

impl Medium for Memory {
    fn has_room(&self) -> io::Result<()> {
        self.change(|_| ())
    }

    fn is_in_place(&self) -> Result<(), String> {
        Ok(())
    }

    fn distrust_cached_pages(&self) {}

    fn rescue_hint(&self) -> String {
        String::new()
    }
}

fn session(medium: &Memory) -> Backend {
    Backend(Arc::new(Session {
        disk: Disk::new(medium.clone()),
        unwritten: Mutex::default(),
        detached: AtomicBool::new(false),
        revoked: AtomicBool::new(false),
        headers_written: AtomicU64::new(0),
    }))
}

fn read(backend: &impl StorageBackend, offset: u64, len: usize) -> io::Result<Vec<u8>> {
    let mut out = vec![0; len];
    backend.read(offset, &mut out)?;
    Ok(out)
}

#[test]
fn a_header_is_written_by_the_flush_and_not_after_anything_has_failed() {
    let medium = Memory::default();
    let backend = session(&medium);
    backend.set_len(3 * BLOCK).expect("room");
    backend.write(0, b"one").expect("a write");
    assert_eq!((&medium.content()[..3], read(&backend, 0, 3).expect("a read")), (&[0; 3][..], b"one".to_vec()));
    backend.write(0, b"two").expect("a write");
    backend.sync_data().expect("a flush");
    assert_eq!((&medium.content()[..3], backend.0.headers_written()), (&b"two"[..], 1));

    backend.write(0, b"six").expect("a write");
    medium.failing.store(true, Ordering::SeqCst);
    backend.write(BLOCK, b"page").expect("redb does not hear of it");
    medium.failing.store(false, Ordering::SeqCst);
    backend.sync_data().expect("redb does not hear of it");
    assert_eq!((&medium.content()[..3], backend.0.headers_written()), (&b"two"[..], 1), "the old state is the file's");
    assert!(backend.0.failure().is_some());
    assert_eq!(read(&backend, 0, 3).expect("a read"), b"six", "redb reads what it wrote");
}

#[test]
fn whatever_is_written_after_a_failure_is_read_back_and_never_reaches_the_medium() {
    let medium = Memory::default();
    let backend = session(&medium);
    // The same on a medium that works.
    let model = InMemoryBackend::new();
    let both = |act: &dyn Fn(&dyn StorageBackend) -> io::Result<()>| {
        act(&backend).expect("redb does not hear of it");
        act(&model).expect("room in memory");
    };
    both(&|disk| disk.set_len(8 * BLOCK));
    both(&|disk| disk.write(2 * BLOCK, &[1; 10_000]));
    both(&|disk| disk.write(BLOCK, &[2; 4096]));
    both(&|disk| disk.sync_data());
    let before = medium.content();
    medium.failing.store(true, Ordering::SeqCst);
    both(&|disk| disk.set_len(16 * BLOCK));
    medium.failing.store(false, Ordering::SeqCst);
    both(&|disk| disk.write(3 * BLOCK, &[3; 8192]));
    both(&|disk| disk.write(12 * BLOCK, &[4; 300]));
    both(&|disk| disk.write(0, &[5; 320]));
    both(&|disk| disk.sync_data());
    for (offset, len) in [(0, 320), (0, 9), (BLOCK, 4096), (2 * BLOCK, 16_384), (0, 65_536), (12 * BLOCK, 4096)] {
        let expected = read(&model, offset, len).expect("a read");
        assert!(read(&backend, offset, len).expect("a read") == expected, "{len} bytes at {offset}");
    }
    both(&|disk| disk.set_len(4 * BLOCK));
    both(&|disk| disk.set_len(6 * BLOCK));
    assert_eq!(backend.len().expect("a length"), 6 * BLOCK);
    let expected = read(&model, 0, 24_576).expect("a read");
    assert!(read(&backend, 0, 24_576).expect("a read") == expected, "cut off and made longer again");
    assert!(read(&backend, 5 * BLOCK, 8192).is_err(), "beyond the end");
    assert!(medium.content() == before, "the medium is as it was");
}

#[test]
fn a_session_that_another_one_follows_reads_and_writes_nothing_more() {
    let medium = Memory::default();
    let backend = session(&medium);
    backend.set_len(2 * BLOCK).expect("room");
    backend.write(BLOCK, &[1; 4096]).expect("a write");
    assert_eq!(read(&backend, BLOCK, 1).expect("a read"), [1]);
    backend.0.revoke();
    // What the other one makes of the page must not be taken for what it was.
    medium.write(BLOCK, &[2; 4096]).expect("a write");
    assert!(read(&backend, BLOCK, 1).is_err());
    backend.write(BLOCK, &[3; 4096]).expect("redb does not hear of it");
    assert_eq!(medium.content()[to_usize(BLOCK)], 2);
}
