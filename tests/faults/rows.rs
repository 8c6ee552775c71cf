//! All rows, in the order of the table. A new row is a file here and its two lines below.

use crate::row::Row;

mod f1;
mod f10;
mod f11;
mod f12;
mod f13;
mod f14;
mod f15;
mod f16;
mod f17;
mod f18;
mod f19;
mod f2;
mod f22;
mod f23;
mod f24;
mod f25;
mod f26;
mod f27;
mod f28;
mod f29;
mod f3;
mod f30;
mod f31;
mod f32;
mod f33;
mod f34;
mod f35;
mod f39;
mod f4;
mod f40;
mod f41;
mod f42;
mod f43;
mod f47;
mod f5;
mod f7;
mod f8;
mod f9;

/// Every row that there is.
pub(crate) const ROWS: &[&Row] = &[
    &f1::ROW,
    &f2::ROW,
    &f3::ROW,
    &f4::ROW,
    &f5::ROW,
    &f7::ROW,
    &f8::ROW,
    &f9::ROW,
    &f10::ROW,
    &f11::ROW,
    &f12::ROW,
    &f13::ROW,
    &f14::ROW,
    &f15::ROW,
    &f16::ROW,
    &f17::ROW,
    &f18::ROW,
    &f19::ROW,
    &f22::ROW,
    &f23::ROW,
    &f24::ROW,
    &f25::ROW,
    &f26::ROW,
    &f27::ROW,
    &f28::ROW,
    &f29::ROW,
    &f30::ROW,
    &f31::ROW,
    &f32::ROW,
    &f33::ROW,
    &f34::ROW,
    &f35::ROW,
    &f39::ROW,
    &f40::ROW,
    &f41::ROW,
    &f42::ROW,
    &f43::ROW,
    &f47::ROW,
];
