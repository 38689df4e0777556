use std::io::Read;
use std::os::fd::AsFd;
use std::os::unix::net::{UnixDatagram, UnixListener, UnixStream};
use std::sync::Barrier;
use std::sync::atomic::{AtomicBool, Ordering};

use rustix::fs::Mode;

use super::*;
use crate::os::lock_file::{self, Probe};
use crate::os::unix::linux::bind::unshare_file_attributes;
use crate::watchdog::Watchdog;

fn scratch() -> (tempfile::TempDir, PathBuf) {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("a.sock");
    (directory, path)
}

fn take(path: &Path) -> Result<ChannelLock> {
    ChannelLock::acquire(&Address::Unix(path.to_owned()), "build", 0o600, crate::mode::Mode::Request.into())
}

fn lock_of(path: &Path) -> PathBuf {
    Address::Unix(path.to_owned()).lock_path()
}

fn identity(path: &Path) -> Option<Identity> {
    Place::at(path).unwrap().map(|place| place.identity)
}

/// A socket file and a lock file as a killed listener leaves them.
fn leave_behind(path: &Path) {
    drop(UnixListener::bind(path).unwrap());
    std::fs::write(lock_of(path), "{\"pid\":1}\n").unwrap();
}

/// Whether connections to the path end up at this claim's socket.
fn is_reached(claim: &ChannelLock, path: &Path) -> bool {
    let client = UnixStream::connect(path);
    let accepted = rustix::net::accept(&claim.socket);
    client.is_ok() && accepted.is_ok()
}

#[test]
fn a_claim_listens_and_a_second_one_is_refused_while_it_lives() {
    let (directory, path) = scratch();
    let claim = take(&path).unwrap();
    assert!(is_reached(&claim, &path));
    assert_eq!(claim.address(), &Address::Unix(path.clone()));
    let error = take(&path).unwrap_err();
    assert_eq!(error.kind(), ErrorKind::InUse);
    assert!(error.message().contains(&format!("process {} already listens", std::process::id())), "{error}");
    assert!(is_reached(&claim, &path));
    drop(claim);
    assert_eq!(std::fs::read_dir(directory.path()).unwrap().count(), 0, "something was left behind");
    take(&path).unwrap();
}

#[test]
fn the_socket_does_not_block_and_is_closed_by_exec() {
    let (_directory, path) = scratch();
    let claim = take(&path).unwrap();
    assert_eq!(rustix::net::accept(&claim.socket).unwrap_err(), Errno::WOULDBLOCK);
    for fd in [claim.socket.as_fd(), claim.lock.as_fd()] {
        assert!(rustix::io::fcntl_getfd(fd).unwrap().contains(rustix::io::FdFlags::CLOEXEC));
    }
}

#[test]
fn what_a_dead_listener_left_is_taken_over() {
    let (_directory, path) = scratch();
    leave_behind(&path);
    let claim = take(&path).unwrap();
    assert!(is_reached(&claim, &path));
    drop(claim);
    // Without a lock file, as a Deno original leaves it.
    drop(UnixListener::bind(&path).unwrap());
    assert!(is_reached(&take(&path).unwrap(), &path));
}

#[test]
fn a_listener_without_a_lock_file_is_refused_and_not_even_connected_to() {
    let (_directory, path) = scratch();
    let listener = UnixListener::bind(&path).unwrap();
    let error = take(&path).unwrap_err();
    assert_eq!(error.kind(), ErrorKind::InUse);
    assert!(error.message().contains("without a lock file, such as the Deno original"), "{error}");
    listener.set_nonblocking(true).unwrap();
    assert_eq!(listener.accept().unwrap_err().kind(), std::io::ErrorKind::WouldBlock, "it was connected to");
    assert!(identity(&lock_of(&path)).is_none(), "the lock file was left behind");
    UnixStream::connect(&path).unwrap();
}

#[test]
fn where_the_table_does_not_know_a_connection_tells() {
    let (_directory, path) = scratch();
    let listener = UnixListener::bind(&path).unwrap();
    assert_eq!(answers(&path), Ok(true));
    drop(listener);
    assert_eq!(answers(&path), Ok(false));
    std::fs::remove_file(&path).unwrap();
    assert_eq!(answers(&path), Ok(false));
    let datagrams = UnixDatagram::bind(&path).unwrap();
    assert_eq!(answers(&path), Ok(true));
    let error = take(&path).unwrap_err();
    assert_eq!(error.kind(), ErrorKind::InUse);
    drop(datagrams);
}

#[test]
fn what_is_no_stale_socket_of_ours_is_named_and_left_alone() {
    let _watchdog = Watchdog::start();
    let (directory, path) = scratch();
    let target = directory.path().join("target");
    let refused = |what: &str| {
        let before = identity(&path);
        let error = take(&path).unwrap_err();
        assert_eq!(error.kind(), ErrorKind::PathOccupied, "{error}");
        assert!(error.message().contains(&format!("{what} stands at {}", path.display())), "{error}");
        assert_eq!(identity(&path), before);
        assert!(identity(&lock_of(&path)).is_none(), "the lock file was left behind");
    };
    std::fs::create_dir(&path).unwrap();
    refused("a directory");
    std::fs::remove_dir(&path).unwrap();
    std::fs::write(&path, "precious").unwrap();
    refused("a file");
    assert_eq!(std::fs::read_to_string(&path).unwrap(), "precious");
    std::fs::remove_file(&path).unwrap();
    rustix::fs::mkfifoat(rustix::fs::CWD, &path, Mode::RWXU).unwrap();
    refused("a FIFO");
    std::fs::remove_file(&path).unwrap();
    // Also a link to a stale socket, and one that leads nowhere.
    drop(UnixListener::bind(&target).unwrap());
    std::os::unix::fs::symlink(&target, &path).unwrap();
    refused("a symbolic link");
    std::fs::remove_file(&target).unwrap();
    refused("a symbolic link");
    std::fs::remove_file(&path).unwrap();
    drop(UnixListener::bind(&path).unwrap());
    if std::os::unix::fs::chown(&path, Some(54321), None).is_ok() {
        refused("a socket of user 54321");
    }
}

#[test]
fn the_socket_file_has_the_mode_asked_for() {
    for mode in [0o600, 0o660, 0o666] {
        let (_directory, path) = scratch();
        let _claim =
            ChannelLock::acquire(&Address::Unix(path.clone()), "build", mode, crate::mode::Mode::Request.into())
                .unwrap();
        assert_eq!(Place::at(&path).unwrap().unwrap().mode, mode);
    }
}

#[test]
fn heal_changes_nothing_while_all_is_well() {
    let (_directory, path) = scratch();
    let mut claim = take(&path).unwrap();
    let (before, lock_before) = (identity(&path), identity(&lock_of(&path)));
    let healed = claim.heal().unwrap();
    assert!(!healed.socket_replaced && !healed.lock_replaced);
    assert_eq!((identity(&path), identity(&lock_of(&path))), (before, lock_before));
}

#[test]
fn heal_puts_back_a_socket_that_was_removed() {
    let (_directory, path) = scratch();
    let mut claim =
        ChannelLock::acquire(&Address::Unix(path.clone()), "build", 0o666, crate::mode::Mode::Request.into()).unwrap();
    let waiting = UnixStream::connect(&path).unwrap();
    let before = claim.listener().unwrap();
    std::fs::remove_file(&path).unwrap();
    let healed = claim.heal().unwrap();
    assert!(healed.socket_replaced && !healed.lock_replaced);
    assert!(is_reached(&claim, &path));
    assert_eq!(Place::at(&path).unwrap().unwrap().mode, 0o666);
    // Who had connected before is still to be had.
    let accepted = rustix::net::accept(&before).unwrap();
    drop(accepted);
    assert_eq!((&waiting).read(&mut [0]).unwrap(), 0);
    drop(claim);
    assert!(identity(&path).is_none());
}

#[test]
fn heal_puts_back_a_lock_file_that_was_removed() {
    let (_directory, path) = scratch();
    let mut claim = take(&path).unwrap();
    std::fs::remove_file(lock_of(&path)).unwrap();
    let healed = claim.heal().unwrap();
    assert!(healed.lock_replaced && !healed.socket_replaced);
    assert!(matches!(lock_file::probe(claim.address()), Probe::Held));
    assert_eq!(take(&path).unwrap_err().kind(), ErrorKind::InUse);
    drop(claim);
    assert!(identity(&lock_of(&path)).is_none());
}

#[test]
fn heal_puts_back_both_at_once_and_those_of_a_port() {
    let (directory, path) = scratch();
    let mut claim = take(&path).unwrap();
    std::fs::remove_file(&path).unwrap();
    std::fs::remove_file(lock_of(&path)).unwrap();
    let healed = claim.heal().unwrap();
    assert!(healed.lock_replaced && healed.socket_replaced);
    assert!(is_reached(&claim, &path));

    let address = Address::Tcp { port: 0, directory: directory.path().to_owned() };
    let mut claim = ChannelLock::acquire(&address, ":0", 0o600, crate::mode::Mode::Request.into()).unwrap();
    std::fs::remove_file(claim.address().lock_path()).unwrap();
    let healed = claim.heal().unwrap();
    assert!(healed.lock_replaced && !healed.socket_replaced);
    assert!(matches!(lock_file::probe(claim.address()), Probe::Held));
}

#[test]
fn heal_leaves_alone_what_others_put_in_place_of_ours() {
    let (_directory, path) = scratch();
    let mut claim = take(&path).unwrap();
    std::fs::remove_file(&path).unwrap();
    std::fs::write(&path, "precious").unwrap();
    let error = claim.heal().unwrap_err();
    assert_eq!(error.kind(), ErrorKind::PathOccupied);
    // The lock can be put back all the same; what remains wrong comes up the next time.
    std::fs::remove_file(lock_of(&path)).unwrap();
    assert!(claim.heal().unwrap().lock_replaced);
    assert_eq!(claim.heal().unwrap_err().kind(), ErrorKind::PathOccupied);
    drop(claim);
    assert_eq!(std::fs::read_to_string(&path).unwrap(), "precious");
}

#[test]
fn a_claim_that_lost_its_channel_to_another_leaves_it_to_the_other() {
    let (_directory, path) = scratch();
    let mut first = take(&path).unwrap();
    std::fs::remove_file(&path).unwrap();
    std::fs::remove_file(lock_of(&path)).unwrap();
    // The kernel's table still has the first one's socket, so the path must be free for a second.
    let second = take(&path).unwrap();
    assert_eq!(first.heal().unwrap_err().kind(), ErrorKind::InUse);
    drop(first);
    assert!(is_reached(&second, &path));
    assert!(matches!(lock_file::probe(second.address()), Probe::Held));
}

#[test]
fn a_missing_directory_and_one_that_may_not_be_written_are_told_apart() {
    let error = take(Path::new("/nonexistent/a.sock")).unwrap_err();
    assert_eq!(error.kind(), ErrorKind::NoDirectory);
    // Nobody, not even root, can make a file there, and the directory is there.
    let error = take(Path::new("/proc/self/a.sock")).unwrap_err();
    assert!(matches!(error.kind(), ErrorKind::PermissionDenied | ErrorKind::Os), "{error}");
    assert!(error.message().contains("open of /proc/self/a.sock.lock failed"), "{error}");
}

#[test]
fn a_relative_path_is_the_same_channel_after_the_working_directory_changed() {
    let (directory, path) = scratch();
    std::thread::scope(|scope| {
        let thread = scope.spawn(|| {
            // A working directory for this thread alone.
            unshare_file_attributes().unwrap();
            std::env::set_current_dir(directory.path()).unwrap();
            let mut claim = take(Path::new("./a.sock")).unwrap();
            assert_eq!(claim.address(), &Address::Unix(path.clone()));
            std::env::set_current_dir("/").unwrap();
            std::fs::remove_file(&path).unwrap();
            assert!(claim.heal().unwrap().socket_replaced);
            assert!(is_reached(&claim, &path));
            drop(claim);
            assert_eq!(std::fs::read_dir(directory.path()).unwrap().count(), 0);
        });
        thread.join().unwrap();
    });
}

#[test]
fn a_port_is_claimed_and_refused_to_a_second_until_it_is_released() {
    let directory = tempfile::tempdir().unwrap();
    let address = |port| Address::Tcp { port, directory: directory.path().to_owned() };
    let claim = ChannelLock::acquire(&address(0), ":0", 0o600, crate::mode::Mode::Request.into()).unwrap();
    let Address::Tcp { port, .. } = *claim.address() else { panic!("{:?}", claim.address()) };
    assert_ne!(port, 0);
    std::net::TcpStream::connect(("127.0.0.1", port)).unwrap();
    let error = ChannelLock::acquire(&address(port), ":x", 0o600, crate::mode::Mode::Request.into()).unwrap_err();
    assert_eq!(error.kind(), ErrorKind::InUse);
    assert!(error.message().contains(&format!("process {} already listens", std::process::id())), "{error}");
    assert_ne!(
        ChannelLock::acquire(&address(0), ":0", 0o600, crate::mode::Mode::Request.into()).unwrap().address(),
        claim.address()
    );
    drop(claim);
    assert_eq!(std::fs::read_dir(directory.path()).unwrap().count(), 0);
}

#[test]
fn a_port_of_another_program_is_refused() {
    let directory = tempfile::tempdir().unwrap();
    for other in ["127.0.0.1:0", "0.0.0.0:0"] {
        let listener = std::net::TcpListener::bind(other).unwrap();
        let port = listener.local_addr().unwrap().port();
        let address = Address::Tcp { port, directory: directory.path().to_owned() };
        let error = ChannelLock::acquire(&address, "x", 0o600, crate::mode::Mode::Request.into()).unwrap_err();
        assert_eq!(error.kind(), ErrorKind::InUse);
        assert!(error.message().contains(&format!("port {port} is in use by another program")), "{error}");
        assert!(identity(&address.lock_path()).is_none(), "the lock file was left behind");
    }
}

/// All at once, round after round, on what a crash left behind: one gets it, the others are told.
#[test]
fn of_many_that_start_at_once_on_a_stale_channel_exactly_one_listens() {
    const THREADS: usize = 6;
    const ROUNDS: usize = 100;
    let _watchdog = Watchdog::start();
    let (_directory, path) = scratch();
    let (start, done) = (Barrier::new(THREADS + 1), Barrier::new(THREADS + 1));
    let over = AtomicBool::new(false);
    let address = Address::Unix(path.clone());
    std::thread::scope(|scope| {
        let prober = scope.spawn(|| {
            while !over.load(Ordering::Relaxed) {
                lock_file::probe(&address);
            }
        });
        let claimers: Vec<_> = (0..THREADS)
            .map(|_| {
                scope.spawn(|| {
                    let mut outcomes = Vec::new();
                    for _ in 0..ROUNDS {
                        start.wait();
                        let claim = take(&path);
                        done.wait();
                        outcomes.push(claim.map(drop).map_err(|error| error.message().to_owned()));
                        start.wait();
                    }
                    outcomes
                })
            })
            .collect();
        for _ in 0..ROUNDS {
            leave_behind(&path);
            start.wait();
            done.wait();
            // Everybody has dropped what it had before the next round is laid out.
            start.wait();
        }
        let outcomes: Vec<_> = claimers.into_iter().map(|claimer| claimer.join().unwrap()).collect();
        over.store(true, Ordering::Relaxed);
        prober.join().unwrap();
        let refusal =
            format!("cannot listen on channel \"build\": process {} already listens there", std::process::id());
        for round in 0..ROUNDS {
            let winners = outcomes.iter().filter(|outcomes| outcomes[round].is_ok()).count();
            assert_eq!(winners, 1, "round {round}");
            for outcome in outcomes.iter().filter_map(|outcomes| outcomes[round].as_ref().err()) {
                assert_eq!(outcome, &refusal, "round {round}");
            }
        }
    });
}

#[test]
fn channels_that_close_and_open_at_once_never_leave_two_or_none() {
    let _watchdog = Watchdog::start();
    let (_directory, path) = scratch();
    std::thread::scope(|scope| {
        for _ in 0..4 {
            scope.spawn(|| {
                for _ in 0..200 {
                    match take(&path) {
                        Ok(claim) => assert!(is_reached(&claim, &path), "another one took the path"),
                        Err(error) => assert_eq!(error.kind(), ErrorKind::InUse, "{error}"),
                    }
                }
            });
        }
    });
    take(&path).unwrap();
}

/// Runs on a thread of another user; not at all where this process is not root.
fn as_another_user(act: impl FnOnce() + Send) {
    if !rustix::process::geteuid().is_root() {
        return;
    }
    std::thread::scope(|scope| {
        let thread = scope.spawn(|| {
            let user = rustix::process::Uid::from_raw(54321);
            rustix::thread::set_thread_res_uid(user, user, user).unwrap();
            act();
        });
        thread.join().unwrap();
    });
}

#[test]
fn another_users_channel_is_refused_as_what_it_is() {
    let (directory, path) = scratch();
    let permit = |mode| rustix::fs::chmod(directory.path(), Mode::from_raw_mode(mode)).unwrap();
    permit(0o1777);
    // Live, with a lock file that the other user may not even open.
    let claim = take(&path).unwrap();
    as_another_user(|| {
        let error = take(&path).unwrap_err();
        assert_eq!(error.kind(), ErrorKind::InUse, "{error}");
        assert!(error.message().contains(&format!("process {} already listens", std::process::id())), "{error}");
    });
    drop(claim);

    leave_behind(&path);
    let before = identity(&path);
    as_another_user(|| {
        let error = take(&path).unwrap_err();
        assert_eq!(error.kind(), ErrorKind::PathOccupied, "{error}");
        assert!(error.message().contains("a file of user 0 stands"), "{error}");
    });
    std::fs::remove_file(lock_of(&path)).unwrap();
    as_another_user(|| {
        let error = take(&path).unwrap_err();
        assert_eq!(error.kind(), ErrorKind::PathOccupied, "{error}");
        assert!(error.message().contains("a socket of user 0 stands"), "{error}");
    });
    assert_eq!(identity(&path), before);
    std::fs::remove_file(&path).unwrap();

    permit(0o755);
    as_another_user(|| {
        let error = take(&path).unwrap_err();
        assert_eq!(error.kind(), ErrorKind::PermissionDenied, "{error}");
        assert!(error.message().contains("choose a directory that this user may write to"), "{error}");
    });
}

#[test]
fn what_cannot_be_removed_is_named_when_the_channel_is_given_back() {
    let (directory, path) = scratch();
    rustix::fs::chmod(directory.path(), Mode::from_raw_mode(0o755)).unwrap();
    let mut claim = Some(take(&path).unwrap());
    as_another_user(|| {
        let error = claim.take().unwrap().release().unwrap_err();
        assert_eq!(error.kind(), ErrorKind::PermissionDenied);
        let expected = format!(
            "channel \"build\" is closed, but what stood for it stays: unlink of {} and {} failed; \
             remove it as the user who listened: Permission denied (os error 13)",
            path.display(),
            lock_of(&path).display()
        );
        assert_eq!(error.message(), expected);
    });
    // Nobody holds what stays: it is taken over as after a crash.
    drop(claim);
    take(&path).unwrap().release().unwrap();
    assert_eq!(std::fs::read_dir(directory.path()).unwrap().count(), 0);
}

#[test]
fn where_the_lock_of_a_picked_port_cannot_be_had_another_port_is_picked() {
    let directory = tempfile::tempdir().unwrap();
    let ports: Vec<_> = (0..3).map(|_| listener::tcp(0).unwrap()).collect();
    let lock_of = |port| Address::Tcp { port, directory: directory.path().to_owned() }.lock_path();
    // The first one's lock is held, something else stands in place of the second one's.
    let held = std::fs::File::create(lock_of(ports[0].1)).unwrap();
    rustix::fs::flock(&held, rustix::fs::FlockOperation::NonBlockingLockExclusive).unwrap();
    std::fs::create_dir(lock_of(ports[1].1)).unwrap();
    let picks = std::cell::Cell::new(0);
    let pick = || {
        let (socket, port) = &ports[picks.replace(picks.get() + 1)];
        Ok((socket.duplicate().unwrap(), *port))
    };
    let claim = |port: u16, bound: Option<&ForkFd>| {
        ChannelLock::acquire_port(port, bound, directory.path(), "a", 0o600, crate::mode::Mode::Request.into())
    };
    let taken = take_a_free_port("a", pick, claim).unwrap();
    assert_eq!(taken.address(), &Address::Tcp { port: ports[2].1, directory: directory.path().to_owned() });
    drop(taken);
    // Where none can be had, the error is that of the last.
    picks.set(0);
    let pick = || Ok((ports[0].0.duplicate().unwrap(), ports[0].1));
    let error = take_a_free_port("a", pick, claim).unwrap_err();
    assert_eq!(error.kind(), ErrorKind::InUse, "{error}");
}
