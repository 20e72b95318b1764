/// What an argument of a function must be.
package enum ArgumentClass: Sendable, Hashable {
  case any
  /// Text, or an integer that SQLite turns into its digits.
  case text
  /// Anything stored as an integer.
  case number
  /// A day number.
  case day
  /// A value of type json.
  case json
}

package enum FunctionKind: Sendable, Hashable { case scalar, aggregate, window }

package enum FunctionResult: Sendable, Hashable {
  case type(SQLType)
  /// The type of the argument with this index.
  case argument(Int)
  /// The common type of all arguments from this index on.
  case unified(from: Int)
}

/// One function that statements may call.
///
/// - Safety: a name that is not in `all` is refused; the engine registers and overrides from here.
package struct FunctionSignature: Sendable, Hashable {
  package let name: String
  package let kind: FunctionKind
  package let argumentsMin: Int
  /// nil when SQLite takes any number.
  package let argumentsMax: Int?
  /// One class an argument; the last holds for all that follow.
  package let arguments: [ArgumentClass]
  package let result: FunctionResult
  /// The result may be NULL though no argument is.
  package let nullable: Bool
  /// Registered by the engine; SQLite has no such function.
  package let ours: Bool
  /// Only in queries.
  package let formatting: Bool
  /// Its value depends on how rows with equal order keys are arranged.
  package let needsTotalOrder: Bool

  private init(
    _ name: String, _ kind: FunctionKind, _ count: ClosedRange<Int>, _ arguments: [ArgumentClass],
    _ result: FunctionResult, open: Bool = false, nullable: Bool = false, ours: Bool = false,
    formatting: Bool = false, ordered: Bool = false
  ) {
    self.name = name
    self.kind = kind
    argumentsMin = count.lowerBound
    argumentsMax = open ? nil : count.upperBound
    self.arguments = arguments
    self.result = result
    self.nullable = nullable
    self.ours = ours
    self.formatting = formatting
    needsTotalOrder = ordered
  }

  /// The signature of a name with that many arguments; `max` and `min` are two functions.
  package static func find(_ name: String, arguments: Int) -> FunctionSignature? {
    let found = all.filter { $0.name == name }
    return found.first {
      arguments >= $0.argumentsMin && arguments <= $0.argumentsMax ?? Int.max
    } ?? found.first
  }

  /// Every function of rules `qsql-1`, sorted by kind and name.
  package static let all: [FunctionSignature] = scalars + ownScalars + aggregates + windows

  private static let scalars: [FunctionSignature] = [
    .init("abs", .scalar, 1...1, [.number], .argument(0)),
    .init("char", .scalar, 1...1, [.number], .type(.text), open: true),
    .init("coalesce", .scalar, 2...2, [.any], .unified(from: 0), open: true),
    .init("glob", .scalar, 2...2, [.text], .type(.bool)),
    .init("hex", .scalar, 1...1, [.any], .type(.text)),
    .init("ifnull", .scalar, 2...2, [.any], .unified(from: 0)),
    .init("iif", .scalar, 3...3, [.any], .unified(from: 1)),
    .init("instr", .scalar, 2...2, [.any], .type(.integer)),
    .init("json_array", .scalar, 0...0, [.any], .type(.json), open: true),
    .init("json_array_length", .scalar, 1...2, [.json, .text], .type(.integer), nullable: true),
    .init("json_extract", .scalar, 2...2, [.json, .text], .type(.unknown), nullable: true),
    .init("json_object", .scalar, 0...0, [.any], .type(.json), open: true),
    .init("json_type", .scalar, 1...2, [.json, .text], .type(.text), nullable: true),
    .init("json_valid", .scalar, 1...1, [.any], .type(.bool)),
    .init("length", .scalar, 1...1, [.any], .type(.integer)),
    .init("like", .scalar, 2...3, [.text], .type(.bool)),
    .init("lower", .scalar, 1...1, [.text], .type(.text)),
    .init("ltrim", .scalar, 1...2, [.text], .type(.text)),
    .init("max", .scalar, 2...2, [.any], .unified(from: 0), open: true),
    .init("min", .scalar, 2...2, [.any], .unified(from: 0), open: true),
    .init("nullif", .scalar, 2...2, [.any], .argument(0), nullable: true),
    .init("replace", .scalar, 3...3, [.text], .type(.text)),
    .init("rtrim", .scalar, 1...2, [.text], .type(.text)),
    .init("substr", .scalar, 2...3, [.any, .number], .argument(0)),
    .init("trim", .scalar, 1...2, [.text], .type(.text)),
    .init("typeof", .scalar, 1...1, [.any], .type(.text)),
    .init("unicode", .scalar, 1...1, [.text], .type(.integer), nullable: true),
    .init("upper", .scalar, 1...1, [.text], .type(.text)),
  ]

  private static let ownScalars: [FunctionSignature] = [
    .init("add_exact", .scalar, 2...2, [.number], .argument(0), ours: true),
    .init("add_months", .scalar, 2...2, [.day, .number], .type(.date), ours: true),
    .init("consensus_date", .scalar, 0...0, [], .type(.date), ours: true),
    .init("consensus_random", .scalar, 1...1, [.text], .type(.integer), ours: true),
    .init("consensus_time_ms", .scalar, 0...0, [], .type(.timestamp), ours: true),
    .init("date_trunc", .scalar, 2...2, [.text, .day], .type(.date), ours: true),
    .init(
      "fmt_date", .scalar, 1...1, [.day], .type(.text), ours: true, formatting: true),
    .init(
      "fmt_decimal", .scalar, 2...2, [.number], .type(.text), ours: true, formatting: true),
    .init("iso_week", .scalar, 1...1, [.day], .type(.integer), ours: true),
    .init("month", .scalar, 1...1, [.day], .type(.integer), ours: true),
    .init("mul_div", .scalar, 4...4, [.number, .number, .number, .text], .argument(0), ours: true),
    .init("mul_exact", .scalar, 2...2, [.number], .argument(0), ours: true),
    .init("uuid5", .scalar, 2...2, [.text], .type(.uuid), ours: true),
    .init("year", .scalar, 1...1, [.day], .type(.integer), ours: true),
  ]

  private static let aggregates: [FunctionSignature] = [
    .init("count", .aggregate, 0...1, [.any], .type(.integer)),
    .init("json_list_sorted", .aggregate, 2...2, [.any], .type(.json), nullable: true, ours: true),
    .init("list_sorted", .aggregate, 2...2, [.any], .type(.text), nullable: true, ours: true),
    .init("max", .aggregate, 1...1, [.any], .argument(0), nullable: true),
    .init("min", .aggregate, 1...1, [.any], .argument(0), nullable: true),
    .init("sum", .aggregate, 1...1, [.number], .argument(0), nullable: true),
  ]

  private static let windows: [FunctionSignature] = [
    .init("dense_rank", .window, 0...0, [], .type(.integer)),
    .init("first_value", .window, 1...1, [.any], .argument(0), nullable: true, ordered: true),
    .init("lag", .window, 1...3, [.any, .number, .any], .argument(0), nullable: true, ordered: true),
    .init("last_value", .window, 1...1, [.any], .argument(0), nullable: true, ordered: true),
    .init(
      "lead", .window, 1...3, [.any, .number, .any], .argument(0), nullable: true, ordered: true),
    .init(
      "nth_value", .window, 2...2, [.any, .number], .argument(0), nullable: true, ordered: true),
    .init("ntile", .window, 1...1, [.number], .type(.integer), ordered: true),
    .init("rank", .window, 0...0, [], .type(.integer)),
    .init("row_number", .window, 0...0, [], .type(.integer), ordered: true),
  ]
}

/// A function of SQLite that statements may not call, with the rule that says why.
package struct DeniedFunction: Sendable, Hashable {
  package let name: String
  package let rule: String
  let reason: String
  let fix: String

  package static func find(_ name: String) -> DeniedFunction? { all.first { $0.name == name } }

  /// Every denied name; the engine overrides each with a function that fails.
  package static let all: [DeniedFunction] = groups.flatMap { $0 }

  private static let groups: [[DeniedFunction]] = [
    group("QD01", "each replica would draw another value",
      "uuid5(namespace, name) or consensus_random('label')", ["random", "randomblob"]),
    group("QD02", "replicas do not share a clock or a time zone",
      "consensus_time_ms() or consensus_date(); year, month, date_trunc, add_months for dates",
      ["date", "time", "datetime", "julianday", "unixepoch", "strftime", "timediff",
        "current_date", "current_time", "current_timestamp"]),
    group("QD07", "the order of its elements is arbitrary", "list_sorted(value, key)",
      ["group_concat", "string_agg"]),
    group("QD07", "the order of its elements is arbitrary", "json_list_sorted(value, key)",
      ["json_group_array"]),
    group("QD18", "it counts what one connection did", "remove the call",
      ["last_insert_rowid", "changes", "total_changes"]),
    group("QD19", "replicas may run different builds of SQLite", "remove the call",
      ["sqlite_version", "sqlite_source_id", "sqlite_compileoption_get",
        "sqlite_compileoption_used", "sqlite_offset", "sqlite_log"]),
    group("QD20", "it yields REAL, whose last digits depend on order and version",
      "mul_div(sum(x), 1, count(x), 'half_even')", ["avg", "total"]),
    group("QD20", "it yields REAL, whose last digits depend on order and version",
      "mul_div(x, 1, 100, 'half_even')", ["round", "percent_rank", "cume_dist"]),
    group("QD20", "it formats REAL, whose digits depend on the version",
      "fmt_decimal(x, scale) in queries, or || in models", ["printf", "format"]),
    group("QD21", "libm differs between platforms", "mul_div(a, b, c, 'half_even')",
      ["acos", "acosh", "asin", "asinh", "atan", "atan2", "atanh", "ceil", "ceiling", "cos",
        "cosh", "degrees", "exp", "floor", "ln", "log", "log10", "log2", "mod", "pi", "pow",
        "power", "radians", "sign", "sin", "sinh", "sqrt", "tan", "tanh", "trunc"]),
    group("QD26", "its layout or its order is not fixed", "json_object(…) or json_extract(…)",
      ["jsonb", "jsonb_array", "jsonb_extract", "jsonb_insert", "jsonb_object", "jsonb_patch",
        "jsonb_remove", "jsonb_replace", "jsonb_set", "jsonb_group_array", "jsonb_group_object",
        "json_patch", "json_group_object"]),
    group("QD32", "it loads code into the replica", "remove the call",
      ["load_extension", "fts3_tokenizer"]),
    group("QD33", "it reads a virtual table", "instr(column, 'word') > 0",
      ["match", "bm25", "highlight", "snippet", "offsets", "matchinfo", "rtreecheck",
        "rtreedepth", "rtreenode"]),
  ]

  private static func group(
    _ rule: String, _ reason: String, _ fix: String, _ names: [String]
  ) -> [DeniedFunction] {
    names.map { DeniedFunction(name: $0, rule: rule, reason: reason, fix: fix) }
  }
}
