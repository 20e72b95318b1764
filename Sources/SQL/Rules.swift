/// Refusals that more than one stage gives.
enum Rules {
  static let rowNames: [String] = ["rowid", "oid", "_rowid_"]

  static func rowName(_ name: String, in source: SQLText, at place: Place) -> Diagnostic {
    source.refusal(
      "QD16", at: place, name,
      because: "row numbers depend on history, so tables have none",
      fix: "order by the primary key, or row_number() over (order by key)")
  }

  static func clock(_ name: String, in source: SQLText, at place: Place) -> Diagnostic {
    source.refusal(
      "QD02", at: place, "\(name) reads a clock or the text form of a date",
      because: "replicas do not share a clock or a time zone",
      fix: "consensus_time_ms() or consensus_date(); year, month, date_trunc, add_months for dates")
  }
}
