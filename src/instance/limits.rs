//! The operating system's limits that a server needs raised: each client is an open file.

use nix::sys::resource::{Resource, getrlimit, setrlimit};

/// Files that are open beside those of clients: listeners, the log, what is saved and loaded.
const RESERVED_FILES: u64 = 32;

/// Raises the limit of open files for `clients` clients as far as the system allows, and answers for how many there is
/// room now. A limit that is high enough is left alone.
pub fn make_room_for_clients(clients: u64) -> u64 {
    let wanted = clients.saturating_add(RESERVED_FILES);
    let Ok((soft, hard)) = getrlimit(Resource::RLIMIT_NOFILE) else {
        return clients;
    };
    if soft >= wanted {
        return clients;
    }
    // Beyond the hard limit only a privileged process gets.
    let raised = [(wanted, hard.max(wanted)), (wanted.min(hard), hard)]
        .into_iter()
        .find(|&(soft, hard)| setrlimit(Resource::RLIMIT_NOFILE, soft, hard).is_ok());
    let files = raised.map_or(soft, |(soft, _)| soft);
    clients.min(files.saturating_sub(RESERVED_FILES)).max(1)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn there_is_room_for_some_clients_and_not_for_all_the_world() {
        assert_eq!(make_room_for_clients(100), 100);
        let most = make_room_for_clients(u64::MAX / 2);
        assert!((100..u64::MAX / 2).contains(&most), "{most}");
    }
}
