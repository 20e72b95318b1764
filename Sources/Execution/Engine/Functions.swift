import CSQLite
import Storage

/// The functions that SQL may call: ours are added, the built-in ones that are not allowed are
/// replaced by stubs that fail.
///
/// - Safety: a built-in function that this list does not know, of a newer SQLite, is refused too.
enum Functions {
  typealias Body =
    @convention(c) (OpaquePointer?, Int32, UnsafeMutablePointer<OpaquePointer?>?) -> Void

  /// Built-in functions that give the same value everywhere. The parser has a list of its own,
  /// which is no longer than this one.
  static let builtInAllowed: [String] = [
    "abs", "char", "coalesce", "hex", "ifnull", "iif", "json", "json_array", "json_array_length",
    "json_extract", "json_object", "json_quote", "json_type", "json_valid", "length", "likely",
    "lower", "ltrim", "max", "min", "nullif", "quote", "rtrim", "sign", "substr",
    "substring", "sum", "trim", "typeof", "unhex", "unicode", "unlikely", "upper", "zeroblob",
    "->", "->>", "row_number", "rank", "dense_rank", "percent_rank", "cume_dist", "ntile", "lag",
    "lead", "first_value", "last_value", "nth_value",
  ]

  /// Ours, in the place of a built-in one or beside them.
  static let own: [String] = [
    "count", "replace", "instr", "like", "glob", "consensus_time_ms", "consensus_date",
    "consensus_random", "uuid5", "mul_div", "add_exact", "mul_exact", "year", "month",
    "date_trunc", "add_months", "iso_week", "list_sorted", "json_list_sorted",
    "quarantined_ppm", "fmt_decimal", "fmt_date", "fmt_timestamp",
  ]

  /// Floating point: for queries that one replica answers alone.
  static let replicaOnly: [String] = ["avg", "total", "round"]

  /// What `profile` may call, in lower case.
  static func allowed(for profile: EngineProfile) -> Set<String> {
    switch profile {
    case .update: Set(builtInAllowed + own)
    case .query: Set(builtInAllowed + own + replicaOnly)
    }
  }

  /// Replaces and adds; the context must outlive the connection.
  static func install(
    on connection: Connection, profile: EngineProfile, context: FunctionContext
  ) throws(StorageFault) {
    try deny(on: connection, allowed: allowed(for: profile))
    let user = Unmanaged.passUnretained(context).toOpaque()
    for function in scalars {
      try connection.check(
        sqlite3_create_function_v2(
          connection.handle, function.name, function.arguments,
          SQLITE_UTF8 | SQLITE_INNOCUOUS | (function.isPure ? SQLITE_DETERMINISTIC : 0), user,
          function.body, nil, nil, nil),
        "adding the function \(function.name)")
    }
    try addAggregates(on: connection, user: user)
  }

  private static func deny(
    on connection: Connection, allowed: Set<String>
  ) throws(StorageFault) {
    let listed = try connection.prepare(
      "SELECT DISTINCT name, narg FROM pragma_function_list WHERE builtin ORDER BY 1, 2")
    var denied: [(name: String, arguments: Int32)] = []
    while try listed.step() {
      let name = listed.text(0)
      if !allowed.contains(name.lowercased()) {
        denied.append((name, Int32(truncatingIfNeeded: listed.integer(1))))
      }
    }
    for function in denied {
      try connection.check(
        sqlite3_create_function_v2(
          connection.handle, function.name, function.arguments,
          SQLITE_UTF8 | SQLITE_DIRECTONLY, nil,
          { context, _, _ in
            sqlite3_result_error(context, "this function is not allowed here", -1)
          }, nil, nil, nil),
        "refusing the function \(function.name)")
    }
  }

  struct Scalar {
    let name: String
    let arguments: Int32
    /// Same arguments, same result, within one statement.
    var isPure = true
    let body: Body
  }

  static let scalars: [Scalar] = consensus + arithmetic + calendar + textual + formatting

  private static let consensus: [Scalar] = [
    Scalar(name: "consensus_time_ms", arguments: 0) { context, count, values in
      guard let call = Invocation(context, count, values) else { return }
      call.give(Int64(clamping: call.state.time.number))
    },
    Scalar(name: "consensus_date", arguments: 0) { context, count, values in
      guard let call = Invocation(context, count, values) else { return }
      call.give(Int64(clamping: call.state.time.number / 86_400_000))
    },
    Scalar(name: "consensus_random", arguments: 1) { context, count, values in
      Invocation(context, count, values)?.consensusRandom()
    },
    Scalar(name: "uuid5", arguments: 2) { context, count, values in
      Invocation(context, count, values)?.uuid5()
    },
    Scalar(name: "quarantined_ppm", arguments: 0, isPure: false) { context, count, values in
      guard let call = Invocation(context, count, values) else { return }
      let (bad, all) = (call.state.rowsQuarantined, call.state.rowsInBatch)
      call.give(all == 0 ? 0 : 1_000_000 * bad / all)
    },
  ]

  private static let arithmetic: [Scalar] = [
    Scalar(name: "add_exact", arguments: 2) { context, count, values in
      Invocation(context, count, values)?.exact("add_exact") { $0.addingReportingOverflow($1) }
    },
    Scalar(name: "mul_exact", arguments: 2) { context, count, values in
      Invocation(context, count, values)?.exact("mul_exact") {
        $0.multipliedReportingOverflow(by: $1)
      }
    },
    Scalar(name: "mul_div", arguments: 3) { context, count, values in
      Invocation(context, count, values)?.multiplyDivide()
    },
    Scalar(name: "mul_div", arguments: 4) { context, count, values in
      Invocation(context, count, values)?.multiplyDivide()
    },
  ]
}
