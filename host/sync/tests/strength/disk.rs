//! A full disk during import, plan and export: told clearly, nothing lost, and the work goes on when there is room.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use provisor_space::SpaceError;
use provisor_sync::{CycleRequest, SyncError};
use provisor_tenant::Kind;

use crate::lab::{Directory, Lab};

/// Says that the test was started anew where it may mount.
const INSIDE: &str = "PROVISOR_TEST_MAY_MOUNT";

/// A small file system of its own, gone when dropped.
struct SmallDisk(PathBuf);

impl SmallDisk {
    /// None where this process may not mount.
    fn on(folder: &Path) -> Option<Self> {
        let mounted =
            Command::new("mount").args(["-t", "tmpfs", "-o", "size=256m", "none"]).arg(folder).output().unwrap();
        mounted.status.success().then(|| Self(folder.to_owned()))
    }

    /// Fills it, but for so many octets.
    fn leave(&self, octets: u64) {
        let ballast = self.0.join("ballast");
        let _ = fs::remove_file(&ballast);
        let disk = nix::sys::statvfs::statvfs(&self.0).unwrap();
        let free = disk.blocks_available() * disk.fragment_size();
        let length = usize::try_from(free.saturating_sub(octets)).unwrap();
        fs::write(&ballast, vec![0; length]).unwrap();
    }

    fn make_room(&self) {
        fs::remove_file(self.0.join("ballast")).unwrap();
    }
}

impl Drop for SmallDisk {
    fn drop(&mut self) {
        // Also while it is in use: nobody else knows of it.
        let _ = Command::new("umount").arg("--lazy").arg(&self.0).status();
    }
}

/// Runs the test anew as root of a name space of its own, where it may mount.
fn run_inside(test: &str) {
    assert!(std::env::var_os(INSIDE).is_none(), "mounting is not permitted even with unshare; run the tests as root");
    let status = Command::new("unshare")
        .args(["--map-root-user", "--mount"])
        .arg(std::env::current_exe().unwrap())
        .args(["--exact", test])
        .env(INSIDE, "1")
        .status()
        .expect("unshare is there");
    assert!(status.success(), "the test failed, or unshare is not permitted: run the tests as root");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_full_disk_loses_nothing_and_the_work_goes_on_when_there_is_room() {
    let mut lab = Lab::new(Directory::of(1..=600).with_group(900, 1..=300)).await;
    let Some(disk) = SmallDisk::on(&lab.folder.path().join("data")) else {
        return run_inside("disk::a_full_disk_loses_nothing_and_the_work_goes_on_when_there_is_room");
    };
    lab.restart().await;
    // The rules' components are put there too, once.
    lab.pipeline.rules_changed().await.unwrap();
    let (mut stops, mut stopped_with) = (0, std::collections::BTreeSet::new());
    // Small steps at first; the write-ahead log alone may want 64 MiB.
    for room in (0..).map(|step| step * step * 32 * 1024) {
        disk.leave(room);
        match lab.try_sync(CycleRequest::default()).await {
            Ok(_) => break,
            Err(SyncError::Space(error @ SpaceError::DiskFull(_))) => {
                stops += 1;
                let words = error.to_string();
                assert!(words.contains("lab.space") && words.contains("MiB") && words.contains("make room"), "{words}");
            }
            Err(other) => panic!("{other}"),
        }
        stopped_with.insert(lab.tenant.count(Kind::User).unwrap());
        assert!(room < 200 << 20, "the disk never had room enough");
    }
    assert!(stops > 3, "the disk was never full: {stops}");
    assert!(
        stopped_with.iter().any(|users| *users > 0 && *users < 600),
        "never in the middle of an export: {stopped_with:?}"
    );
    disk.make_room();
    lab.sync().await;
    lab.assert_in_step();
    let before = lab.tenant.counters().total();
    lab.sync().await;
    assert_eq!(lab.tenant.counters().total(), before);
    drop(lab);
}
