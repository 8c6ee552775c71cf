//! The bucket bounds of histograms, a handful of shapes so that panels can be laid beside each other.

/// The shape of a histogram.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Buckets(&'static [f64]);

impl Eq for Buckets {}

impl Buckets {
    /// OpenTelemetry's bounds for HTTP servers, and 0.2 s, the promise of the edge.
    pub const HTTP: Self = Self(&[
        0.005, 0.01, 0.025, 0.05, 0.075, 0.1, 0.2, 0.25, 0.5, 0.75, 1.0, 2.5, 5.0, 7.5, 10.0,
    ]);
    /// Half a millisecond to 2.5 s: commits, waits for a connection, scheduling delays.
    pub const SHORT: Self = Self(&[
        0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5,
    ]);
    /// A tenth of a second to an hour: messages and the services we call.
    pub const LONG: Self = Self(&[
        0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0, 60.0, 120.0, 300.0, 600.0, 1800.0, 3600.0,
    ]);
    /// OpenTelemetry's bounds for databases.
    pub const DATABASE: Self = Self(&[0.001, 0.005, 0.01, 0.05, 0.1, 0.5, 1.0, 5.0, 10.0]);
    /// OpenTelemetry's bounds for language models: doubling from 10 ms.
    pub const MODEL: Self = Self(&[
        0.01, 0.02, 0.04, 0.08, 0.16, 0.32, 0.64, 1.28, 2.56, 5.12, 10.24, 20.48, 40.96, 81.92,
    ]);
    /// OpenTelemetry's bounds for tokens: times four from 1.
    pub const TOKENS: Self = Self(&[
        1.0,
        4.0,
        16.0,
        64.0,
        256.0,
        1024.0,
        4096.0,
        16384.0,
        65536.0,
        262_144.0,
        1_048_576.0,
        4_194_304.0,
        16_777_216.0,
        67_108_864.0,
    ]);

    /// The upper bounds, ascending; the last bucket, to infinity, is not among them.
    pub const fn bounds(self) -> &'static [f64] {
        self.0
    }
}
