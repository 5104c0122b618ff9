//! [`Disk`]: the file system as far as the data set's files need it, passed in so that a test can stand in its place and
//! fail or tear any call.
//!
//! What a caller may rely on after a power cut is what was synced: a file's bytes by [`DiskFile::sync`], its name, and its
//! removal or renaming, by [`Disk::sync_dir`] of its directory.

#[cfg(test)]
pub mod simulated;

use std::ffi::OsString;
use std::fmt::Debug;
use std::fs::{self, File, OpenOptions};
use std::io::{self, Read, Write};
use std::path::Path;
use std::sync::Arc;

/// A file that is written. It is shared, so that one thread can sync it while another writes.
pub trait DiskFile: Debug + Send + Sync {
    /// Appends some of `bytes`, at least one, and says how many.
    fn write(&self, bytes: &[u8]) -> io::Result<usize>;
    /// Waits until what was written before is on the disk. After an error nobody knows what is.
    fn sync(&self) -> io::Result<()>;
    /// Cuts the file to `len` bytes; what is written next stands there.
    fn truncate(&self, len: u64) -> io::Result<()>;
}

/// A file system.
pub trait Disk: Debug + Send + Sync {
    /// Opens a file to be read.
    fn open(&self, path: &Path) -> io::Result<Box<dyn Read + Send>>;
    /// Creates a file, empty, in place of one that is there.
    fn create(&self, path: &Path) -> io::Result<Arc<dyn DiskFile>>;
    /// Opens a file to be written at its end, and creates it where it is missing.
    fn append(&self, path: &Path) -> io::Result<Arc<dyn DiskFile>>;
    /// The bytes of a file; none where there is no such file.
    fn len(&self, path: &Path) -> io::Result<Option<u64>>;
    /// Gives a file another name, in place of one that has it.
    fn rename(&self, from: &Path, to: &Path) -> io::Result<()>;
    /// Removes a file.
    fn remove(&self, path: &Path) -> io::Result<()>;
    /// Creates a directory; one that is there is no error.
    fn create_dir(&self, path: &Path) -> io::Result<()>;
    /// Waits until the names in a directory are on the disk.
    fn sync_dir(&self, path: &Path) -> io::Result<()>;
    /// The names in a directory, in no order.
    fn list(&self, path: &Path) -> io::Result<Vec<OsString>>;
}

/// Writes all of `bytes`. After an error some of them may be in the file.
pub fn write_all(file: &dyn DiskFile, mut bytes: &[u8]) -> io::Result<()> {
    while !bytes.is_empty() {
        match file.write(bytes) {
            Ok(0) => return Err(io::ErrorKind::WriteZero.into()),
            Ok(written) => bytes = &bytes[written..],
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            Err(error) => return Err(error),
        }
    }
    Ok(())
}

/// A file as what formats are written to.
#[derive(Clone, Debug)]
pub struct FileWriter(pub Arc<dyn DiskFile>);

impl Write for FileWriter {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.0.write(bytes)
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

/// The operating system's file system.
#[derive(Clone, Copy, Debug, Default)]
pub struct SystemDisk;

impl DiskFile for File {
    fn write(&self, bytes: &[u8]) -> io::Result<usize> {
        let mut file = self;
        Write::write(&mut file, bytes)
    }

    fn sync(&self) -> io::Result<()> {
        self.sync_data()
    }

    fn truncate(&self, len: u64) -> io::Result<()> {
        use std::io::Seek;
        self.set_len(len)?;
        let mut file = self;
        file.seek(io::SeekFrom::Start(len)).map(drop)
    }
}

impl Disk for SystemDisk {
    fn open(&self, path: &Path) -> io::Result<Box<dyn Read + Send>> {
        Ok(Box::new(File::open(path)?))
    }

    fn create(&self, path: &Path) -> io::Result<Arc<dyn DiskFile>> {
        Ok(Arc::new(File::create(path)?))
    }

    fn append(&self, path: &Path) -> io::Result<Arc<dyn DiskFile>> {
        let file = OpenOptions::new().append(true).create(true).open(path)?;
        Ok(Arc::new(file))
    }

    fn len(&self, path: &Path) -> io::Result<Option<u64>> {
        match fs::metadata(path) {
            Ok(metadata) => Ok(Some(metadata.len())),
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
            Err(error) => Err(error),
        }
    }

    fn rename(&self, from: &Path, to: &Path) -> io::Result<()> {
        fs::rename(from, to)
    }

    fn remove(&self, path: &Path) -> io::Result<()> {
        fs::remove_file(path)
    }

    fn create_dir(&self, path: &Path) -> io::Result<()> {
        match fs::create_dir(path) {
            Err(error) if error.kind() == io::ErrorKind::AlreadyExists && path.is_dir() => Ok(()),
            other => other,
        }
    }

    fn sync_dir(&self, path: &Path) -> io::Result<()> {
        File::open(path)?.sync_all()
    }

    fn list(&self, path: &Path) -> io::Result<Vec<OsString>> {
        fs::read_dir(path)?
            .map(|entry| Ok(entry?.file_name()))
            .collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A directory of its own, removed at the end.
    struct Folder(std::path::PathBuf);

    impl Folder {
        fn new(name: &str) -> Self {
            let path = std::env::temp_dir().join(format!("ruddle-{name}-{}", std::process::id()));
            fs::create_dir_all(&path).expect("a temporary directory can be made");
            Folder(path)
        }
    }

    impl Drop for Folder {
        fn drop(&mut self) {
            let _ = fs::remove_dir_all(&self.0);
        }
    }

    fn text(path: &Path) -> String {
        let mut text = String::new();
        let mut file = SystemDisk.open(path).expect("the file is there");
        file.read_to_string(&mut text).expect("it is text");
        text
    }

    #[test]
    fn files_are_written_cut_and_written_on() {
        let folder = Folder::new("disk-write");
        let path = folder.0.join("a");
        assert_eq!(SystemDisk.len(&path).expect("no error"), None);
        for open in [SystemDisk::create, SystemDisk::append] {
            let _ = fs::remove_file(&path);
            let file = open(&SystemDisk, &path).expect("it can be made");
            write_all(&*file, b"hello world").expect("it can be written");
            file.truncate(6).expect("it can be cut");
            write_all(&*file, b"you").expect("it can be written");
            file.sync().expect("it can be synced");
            assert_eq!(text(&path), "hello you");
        }
        let file = SystemDisk.append(&path).expect("it is there");
        write_all(&*file, b"!").expect("it can be written");
        assert_eq!(text(&path), "hello you!");
        assert_eq!(SystemDisk.len(&path).expect("no error"), Some(10));
    }

    #[test]
    fn names_are_changed_listed_and_removed() {
        let folder = Folder::new("disk-names");
        let inner = folder.0.join("inner");
        SystemDisk.create_dir(&inner).expect("it can be made");
        SystemDisk.create_dir(&inner).expect("it is there already");
        SystemDisk.create(&inner.join("a")).expect("it can be made");
        SystemDisk
            .rename(&inner.join("a"), &inner.join("b"))
            .expect("it can be renamed");
        SystemDisk.sync_dir(&inner).expect("it can be synced");
        assert_eq!(SystemDisk.list(&inner).expect("it is there"), ["b"]);
        SystemDisk.remove(&inner.join("b")).expect("it is there");
        assert!(SystemDisk.list(&inner).expect("it is there").is_empty());
        assert!(SystemDisk.create_dir(&inner.join("b/c")).is_err());
    }
}
