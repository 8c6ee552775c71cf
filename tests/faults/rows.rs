//! All rows, in the order of the table. A new row is a file here and its two lines below.

use crate::row::Row;

mod f1;
mod f2;
mod f34;
mod f47;
mod f5;
mod f7;
mod f8;

/// Every row that there is.
pub(crate) const ROWS: [&Row; 7] = [
    &f1::ROW,
    &f2::ROW,
    &f5::ROW,
    &f7::ROW,
    &f8::ROW,
    &f34::ROW,
    &f47::ROW,
];
