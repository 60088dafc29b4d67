//! The rule of the best seats as plainly as it can be put: every place is tried.

/// A row as a text, one character a seat; a dot is free.
pub(crate) type Picture = Vec<char>;

/// Marks the best `count` seats as held, an `h` each, or says that too few are free.
pub(crate) fn choose(rows: &mut [Picture], count: usize) -> bool {
    let free = |row: &Picture| row.iter().filter(|seat| **seat == '.').count();
    if rows.iter().map(free).sum::<usize>() < count {
        return false;
    }
    if take_side_by_side(rows, count) {
        return true;
    }
    if let Some(row) = rows.iter_mut().find(|row| free(row) >= count) {
        scatter(row, count);
        return true;
    }
    let most = rows.iter().map(free).max().unwrap_or_default();
    let fullest = rows.iter_mut().find(|row| free(row) == most).expect("there is a row");
    fullest.iter_mut().filter(|seat| **seat == '.').for_each(|seat| *seat = 'h');
    choose(rows, count - most)
}

/// Seats a group in one row that has no `count` free seats side by side.
fn scatter(row: &mut Picture, count: usize) {
    if take_side_by_side(std::slice::from_mut(row), count) {
        return;
    }
    // The longest run is the most that can be seated side by side; of several, that of the lowest number.
    let longest = (1..=row.len()).rev().find(|length| !places(row, *length).is_empty()).expect("a free seat");
    let first = places(row, longest)[0];
    row[first..first + longest].fill('h');
    scatter(row, count - longest);
}

/// Takes the first place, from the front, that makes no orphan, else the first place.
fn take_side_by_side(rows: &mut [Picture], count: usize) -> bool {
    let all: Vec<(usize, usize)> =
        (0..rows.len()).flat_map(|row| places(&rows[row], count).into_iter().map(move |first| (row, first))).collect();
    let taken = |(row, first): (usize, usize)| {
        let mut after = rows[row].clone();
        after[first..first + count].fill('h');
        after
    };
    let makes_orphan =
        |place: (usize, usize)| orphans(&taken(place)).iter().any(|seat| !orphans(&rows[place.0]).contains(seat));
    let Some(best) = all.iter().find(|place| !makes_orphan(**place)).or(all.first()) else { return false };
    rows[best.0] = taken(*best);
    true
}

/// The first seats of all places where `count` seats side by side are free.
fn places(row: &Picture, count: usize) -> Vec<usize> {
    (0..(row.len() + 1).saturating_sub(count))
        .filter(|first| row[*first..first + count].iter().all(|seat| *seat == '.'))
        .collect()
}

/// The free seats without a free neighbour.
fn orphans(row: &Picture) -> Vec<usize> {
    let free = |seat: Option<usize>| seat.and_then(|seat| row.get(seat)) == Some(&'.');
    (0..row.len()).filter(|seat| free(Some(*seat)) && !free(seat.checked_sub(1)) && !free(Some(seat + 1))).collect()
}
