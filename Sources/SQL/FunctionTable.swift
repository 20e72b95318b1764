/// A function that SQL of a pipeline may call.
package struct FunctionSignature: Sendable, Hashable {
  package enum Kind: Sendable, Hashable { case scalar, aggregate, window }
  /// How the type of the result follows.
  package enum Result: Sendable, Hashable {
    case fixed(SQLType)
    /// That of an argument, by place.
    case argument(Int)
    /// The first argument's type that says something.
    case common
    /// Bytes of bytes, and text of all else.
    case part
  }

  package let name: String
  package let arguments: ClosedRange<Int>
  package let result: Result
  package let kind: Kind
  /// Ours rather than SQLite's own: the engine registers it.
  package let isOurs: Bool
  /// Only where results are for people.
  package let formats: Bool
  /// NULL only when an argument is.
  package let keepsNotNull: Bool
}

/// The functions of rule set `qsql-1`, and those denied with the rule that denies them.
package enum FunctionTable {
  package static let offered: [FunctionSignature] =
    scalars + aggregates + windows + consensus + formatting

  private static func entry(
    _ name: String, _ arguments: ClosedRange<Int>, _ result: FunctionSignature.Result,
    _ kind: FunctionSignature.Kind = .scalar, ours: Bool = false, formats: Bool = false,
    keepsNotNull: Bool = false
  ) -> FunctionSignature {
    FunctionSignature(
      name: name, arguments: arguments, result: result, kind: kind, isOurs: ours,
      formats: formats, keepsNotNull: keepsNotNull)
  }

  private static let many = SQLLimits.argumentsMax

  private static let scalars: [FunctionSignature] = [
    entry("abs", 1...1, .argument(0), keepsNotNull: true),
    entry("char", 1...many, .fixed(.text), keepsNotNull: true),
    entry("coalesce", 2...many, .common),
    entry("glob", 2...2, .fixed(.bool), keepsNotNull: true),
    entry("hex", 1...1, .fixed(.text), keepsNotNull: true),
    entry("ifnull", 2...2, .common),
    entry("iif", 3...3, .common),
    entry("instr", 2...2, .fixed(.integer), keepsNotNull: true),
    entry("json_array", 0...many, .fixed(.json)),
    entry("json_array_length", 1...2, .fixed(.integer)),
    entry("json_extract", 2...many, .fixed(.unknown)),
    entry("json_object", 0...many, .fixed(.json)),
    entry("json_type", 1...2, .fixed(.text)),
    entry("json_valid", 1...1, .fixed(.bool), keepsNotNull: true),
    entry("length", 1...1, .fixed(.integer), keepsNotNull: true),
    entry("like", 2...3, .fixed(.bool), keepsNotNull: true),
    entry("lower", 1...1, .fixed(.text), keepsNotNull: true),
    entry("ltrim", 1...2, .fixed(.text), keepsNotNull: true),
    entry("nullif", 2...2, .argument(0)),
    entry("replace", 3...3, .fixed(.text), keepsNotNull: true),
    entry("rtrim", 1...2, .fixed(.text), keepsNotNull: true),
    entry("substr", 2...3, .part, keepsNotNull: true),
    entry("trim", 1...2, .fixed(.text), keepsNotNull: true),
    entry("typeof", 1...1, .fixed(.text), keepsNotNull: true),
    entry("unicode", 1...1, .fixed(.integer)),
    entry("upper", 1...1, .fixed(.text), keepsNotNull: true),
  ]

  /// What printed text calls around what SQLite's own functions go through; nobody may write it.
  package static let meter = "metered"
  /// What printed text calls for CAST AS INTEGER: SQLite's own makes 12 of '12abc', and the largest
  /// integer of what 64 bits do not hold. Nobody may write it.
  package static let whole = "whole_number"
  /// Bytes of one value that are free.
  package static let bytesFree = 64

  /// Whether a built-in of SQLite goes through all bytes of its arguments, in one step.
  static func goesThrough(_ name: String) -> Bool {
    switch name {
    case "hex", "length", "lower", "ltrim", "rtrim", "substr", "trim", "upper": true
    // Ours meters itself.
    case "json_list_sorted": false
    default: name.hasPrefix("json_")
    }
  }

  /// Whether what such a call gives may be longer than what it went through: two digits a byte,
  /// escapes, or one text several times.
  static func lengthens(_ call: FunctionCall) -> Bool {
    switch call.name {
    case "hex", "json_array", "json_object": true
    case "json_extract": call.arguments.count > 2
    default: false
    }
  }

  private static let aggregates: [FunctionSignature] = [
    entry("count", 0...1, .fixed(.integer), .aggregate, keepsNotNull: true),
    entry("sum", 1...1, .argument(0), .aggregate),
    entry("min", 1...many, .common, .aggregate, keepsNotNull: true),
    entry("max", 1...many, .common, .aggregate, keepsNotNull: true),
    entry("list_sorted", 2...3, .fixed(.text), .aggregate, ours: true),
    entry("json_list_sorted", 2...2, .fixed(.json), .aggregate, ours: true),
  ]

  private static let windows: [FunctionSignature] = [
    entry("row_number", 0...0, .fixed(.integer), .window, keepsNotNull: true),
    entry("rank", 0...0, .fixed(.integer), .window, keepsNotNull: true),
    entry("dense_rank", 0...0, .fixed(.integer), .window, keepsNotNull: true),
    entry("ntile", 1...1, .fixed(.integer), .window, keepsNotNull: true),
    entry("lag", 1...3, .common, .window),
    entry("lead", 1...3, .common, .window),
    entry("first_value", 1...1, .argument(0), .window),
    entry("last_value", 1...1, .argument(0), .window),
    entry("nth_value", 2...2, .argument(0), .window),
  ]

  private static let consensus: [FunctionSignature] = [
    entry("consensus_time_ms", 0...0, .fixed(.timestamp), ours: true, keepsNotNull: true),
    entry("consensus_date", 0...0, .fixed(.date), ours: true, keepsNotNull: true),
    entry("consensus_random", 1...1, .fixed(.integer), ours: true, keepsNotNull: true),
    entry("uuid5", 2...2, .fixed(.uuid), ours: true, keepsNotNull: true),
    entry("mul_div", 3...4, .argument(0), ours: true),
    entry("add_exact", 2...2, .argument(0), ours: true, keepsNotNull: true),
    entry("exact", 3...many, .argument(0), ours: true),
    entry("mul_exact", 2...2, .argument(0), ours: true, keepsNotNull: true),
    entry("year", 1...1, .fixed(.integer), ours: true, keepsNotNull: true),
    entry("month", 1...1, .fixed(.integer), ours: true, keepsNotNull: true),
    entry("date_trunc", 2...2, .fixed(.date), ours: true, keepsNotNull: true),
    entry("add_months", 2...2, .fixed(.date), ours: true, keepsNotNull: true),
    entry("iso_week", 1...1, .fixed(.integer), ours: true, keepsNotNull: true),
    entry("date_of", 1...1, .fixed(.date), ours: true, keepsNotNull: true),
  ]

  private static let formatting: [FunctionSignature] = [
    entry("fmt_decimal", 2...2, .fixed(.text), ours: true, formats: true, keepsNotNull: true),
    entry("fmt_date", 1...1, .fixed(.text), ours: true, formats: true, keepsNotNull: true),
  ]

  /// A built-in of SQLite that must never run, with its rule, the reason and the fix.
  package struct Denied: Sendable, Hashable {
    package let name: String
    package let rule: String
    package let reason: String
    package let fix: String
  }

  package static let denied: [Denied] =
    deny(
      "QD01", ["random", "randomblob"], "each replica would draw its own",
      "consensus_random('label')")
    + deny(
      "QD02",
      ["date", "time", "datetime", "julianday", "unixepoch", "strftime", "timediff"],
      "without a time value it means now, on each replica's own clock",
      "consensus_date(), date_trunc('month', d), add_months(d, 1)")
    + deny(
      "QD02", ["current_date", "current_time", "current_timestamp"],
      "each replica has its own clock", "consensus_time_ms()")
    + deny(
      "QD07", ["group_concat", "string_agg"], "the order of the parts is arbitrary",
      "list_sorted(value, key)")
    + deny(
      "QD26", ["json_group_array", "json_group_object", "jsonb_group_array", "jsonb_group_object"],
      "the order of the parts is arbitrary", "json_list_sorted(value, key)")
    + deny(
      "QD26",
      [
        "json", "jsonb", "jsonb_array", "jsonb_extract", "jsonb_insert", "jsonb_object",
        "jsonb_patch", "jsonb_remove", "jsonb_replace", "jsonb_set", "json_patch", "json_insert",
        "json_remove", "json_replace", "json_set", "json_quote", "json_pretty",
        "json_error_position",
      ], "its spelling differs between versions", "json_extract(column, '$.name')")
    + deny(
      "QD18", ["last_insert_rowid", "changes", "total_changes"],
      "it belongs to one connection", "count(*) over the rows themselves")
    + deny(
      "QD19",
      [
        "sqlite_version", "sqlite_source_id", "sqlite_compileoption_get",
        "sqlite_compileoption_used", "sqlite_offset", "sqlite_log",
      ], "it tells replicas apart", "remove it")
    + deny(
      "QD20", ["avg", "total", "round"], "it computes in floating point",
      "mul_div(sum(x), 1, count(*), 'half_even')")
    + deny(
      "QD21",
      [
        "acos", "acosh", "asin", "asinh", "atan", "atan2", "atanh", "ceil", "ceiling", "cos",
        "cosh", "degrees", "exp", "floor", "ln", "log", "log10", "log2", "mod", "pi", "pow",
        "power", "radians", "sign", "sin", "sinh", "sqrt", "tan", "tanh", "trunc",
      ], "libm differs by platform", "mul_div(a, b, c, 'half_even') on integers")
    + deny(
      "QD32", ["load_extension", "fts3_tokenizer"], "it loads code", "remove it")
    + deny(
      "QD33",
      [
        "match", "matchinfo", "offsets", "optimize", "snippet", "bm25", "highlight", "rtreecheck",
        "rtreedepth", "rtreenode",
      ], "it belongs to virtual tables", "remove it")
    + deny(
      "QD41", ["printf", "format", "zeroblob", "quote"],
      "a short call makes a long text", "a || b, fmt_decimal(amount, 2) in queries")
    + deny(
      "QD06", ["percent_rank", "cume_dist"], "it computes in floating point",
      "mul_div(rank() over (…), 1000000, n, 'half_even')")
    + deny(
      "QD37", ["likelihood", "likely", "unlikely", "soundex", "sqlite_rename_column"],
      "it is not offered", "remove it")

  private static func deny(
    _ rule: String, _ names: [String], _ reason: String, _ fix: String
  ) -> [Denied] {
    names.map { Denied(name: $0, rule: rule, reason: reason, fix: fix) }
  }

  package static func offered(_ name: String) -> FunctionSignature? {
    offered.first { $0.name == name }
  }

  package static func denied(_ name: String) -> Denied? { denied.first { $0.name == name } }

  /// Table-valued functions that may stand in FROM, with their columns.
  static let tableFunctions: [(name: String, columns: [ColumnShape])] = ["json_each", "json_tree"]
    .map { name in
      (
        name,
        [
          ColumnShape(name: "key", type: .unknown, nullable: true),
          ColumnShape(name: "value", type: .unknown, nullable: true),
          ColumnShape(name: "type", type: .text),
          ColumnShape(name: "atom", type: .unknown, nullable: true),
          ColumnShape(name: "fullkey", type: .text),
          ColumnShape(name: "path", type: .text),
        ]
      )
    }
}
