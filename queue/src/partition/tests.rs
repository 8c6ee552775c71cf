//! The hash is fixed for ever, and a set of partitions survives its journey through a notification.

use proptest::prelude::*;
use xxhash_rust::xxh3::xxh3_64;

use super::*;

/// Vectors of the reference implementation of XXH3 (64 bits, no seed), and the partitions that follow.
#[test]
fn the_partition_of_a_key_never_changes() {
    assert_eq!(xxh3_64(b""), 0x2d06_8005_38d3_94c2);
    assert_eq!(xxh3_64(b"abc"), 0x78af_5f94_892f_3950);

    assert_eq!(Key::new("").partition(), Partition(0xc2));
    assert_eq!(Key::new("abc").partition(), Partition(0x50));
}

#[test]
fn many_keys_spread_over_all_partitions_about_evenly() {
    let mut counts = [0_u32; 256];
    for number in 0..25_600 {
        let partition = Key::from(format!("in:telegram:ops:{number}")).partition();
        counts[usize::from(partition.index())] += 1;
    }

    assert!(
        counts.iter().all(|count| (50..=160).contains(count)),
        "{counts:?}"
    );
}

proptest! {
    #[test]
    fn a_set_holds_what_was_put_in_and_nothing_else(members in proptest::collection::btree_set(any::<u8>(), 0..40)) {
        let set: PartitionSet = members.iter().copied().map(Partition).collect();

        prop_assert!(set.iter().map(|partition| partition.index()).eq(members.iter().copied()));
        prop_assert_eq!(PartitionSet::from_hex(&set.to_hex()), Some(set));
    }

    #[test]
    fn text_that_is_no_set_is_not_read_as_one(text in "\\PC{0,80}") {
        let is_a_set = text.len() == 64 && text.bytes().all(|byte| byte.is_ascii_hexdigit());

        prop_assert_eq!(PartitionSet::from_hex(&text).is_some(), is_a_set);
    }
}
