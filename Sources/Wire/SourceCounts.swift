/// What became of the rows that came to one source since the package has it. Counted on every
/// replica alike, and under the state root.
///
/// - Safety: each row of an update that was applied counts once under `accepted`, `duplicates`,
///   `dropped` or `quarantined` as it comes in, and once more, under `accepted` or `duplicates`
///   and under `released`, if it leaves the quarantine later.
package struct SourceCounts: Hashable, Canonical {
  package let source: String
  package var accepted: UInt64 = 0
  /// Held back as they came in.
  package var quarantined: UInt64 = 0
  /// Left out by an expectation with `on_violation: drop`.
  package var dropped: UInt64 = 0
  /// Already there, by `on_duplicate`.
  package var duplicates: UInt64 = 0
  /// Below the watermark as they came in; counted beside what was done with them.
  package var late: UInt64 = 0
  /// Left the quarantine, by a release or a recheck.
  package var released: UInt64 = 0
  /// Of updates that ran and were refused, so that none of their rows was taken.
  package var rejected: UInt64 = 0
  /// In the order of the contract.
  package var expectations: [ExpectationCount] = []

  package init(source: String) { self.source = source }

  /// Where rows went, by the words that metrics and reports use.
  package var outcomes: [(name: String, rows: UInt64)] {
    [
      ("accepted", accepted), ("duplicate", duplicates), ("dropped", dropped),
      ("quarantined", quarantined), ("released", released), ("late", late),
      ("rejected", rejected),
    ]
  }

  package func encode(into encoder: inout Encoder) {
    encoder.text(source)
    for rows in [accepted, quarantined, dropped, duplicates, late, released, rejected] {
      encoder.integer(rows)
    }
    encoder.list(expectations)
  }

  package init(from decoder: inout Decoder) throws(Malformed) {
    source = try decoder.text(limit: Limits.nameBytesMax)
    accepted = try decoder.integer()
    quarantined = try decoder.integer()
    dropped = try decoder.integer()
    duplicates = try decoder.integer()
    late = try decoder.integer()
    released = try decoder.integer()
    rejected = try decoder.integer()
    expectations = try decoder.list(limit: Limits.digestsPerMessageMax)
  }
}

/// How often rows broke one expectation, as they came in.
package struct ExpectationCount: Hashable, Canonical {
  package let name: String
  /// `warn`, `drop`, `quarantine` or `fail`.
  package let action: String
  /// Rows that it looked at: those that could be read, and are not held back for their event time.
  /// One that looks at whole batches counts these.
  package var checked: UInt64
  /// Those that broke it. Of an update that it refused (`fail`) one row, or the batch, counts here
  /// and under `checked`, since the rest was not looked at.
  package var violated: UInt64

  package init(name: String, action: String, checked: UInt64 = 0, violated: UInt64 = 0) {
    self.name = name
    self.action = action
    self.checked = checked
    self.violated = violated
  }

  package func encode(into encoder: inout Encoder) {
    encoder.text(name)
    encoder.text(action)
    encoder.integer(checked)
    encoder.integer(violated)
  }

  package init(from decoder: inout Decoder) throws(Malformed) {
    name = try decoder.text(limit: Limits.nameBytesMax)
    action = try decoder.text(limit: Limits.nameBytesMax)
    checked = try decoder.integer()
    violated = try decoder.integer()
  }
}
