import CSQLite
import SQL
import Storage

/// The functions that SQL may call: ours are added, the built-in ones that are not allowed are
/// replaced by stubs that fail.
///
/// - Safety: a built-in function that this list does not know, of a newer SQLite, is refused too.
enum Functions {
  typealias Body =
    @convention(c) (OpaquePointer?, Int32, UnsafeMutablePointer<OpaquePointer?>?) -> Void

  /// What the parser's table offers, and the operators that are functions to SQLite.
  static let offered: [String] = FunctionTable.offered.map(\.name) + ["->", "->>"]

  /// Floating point: for queries that one replica answers alone.
  static let replicaOnly: [String] = ["avg", "total", "round"]

  /// What `profile` may call, in lower case.
  static func allowed(for profile: EngineProfile) -> Set<String> {
    let ours = offered + [FunctionTable.meter, FunctionTable.whole]
    return switch profile {
    case .update: Set(ours)
    case .query: Set(ours + replicaOnly)
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
          SQLITE_UTF8 | SQLITE_INNOCUOUS | function.subtype
            | (function.isPure ? SQLITE_DETERMINISTIC : 0), user,
          function.body, nil, nil, nil),
        "adding the function \(function.name)")
    }
    try addAggregates(on: connection, user: user)
  }

  private struct BuiltIn {
    let name: String
    let arguments: Int32
  }

  /// What the SQLite library brings along, asked once: it is the same on every connection.
  private static let builtIn = Result { () throws(StorageFault) in
    let connection = try Connection(path: ":memory:", access: .readWrite)
    return try withExtendedLifetime(connection) { () throws(StorageFault) in
      let listed = try connection.prepare(
        "SELECT DISTINCT name, narg FROM pragma_function_list WHERE builtin ORDER BY 1, 2")
      var found: [BuiltIn] = []
      while try listed.step() {
        found.append(
          BuiltIn(
            name: listed.text(0), arguments: Int32(truncatingIfNeeded: listed.integer(1))))
      }
      return found
    }
  }

  private static func deny(
    on connection: Connection, allowed: Set<String>
  ) throws(StorageFault) {
    for function in try builtIn.get() where !allowed.contains(function.name.lowercased()) {
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
    /// Whether what says that a text is JSON goes from the arguments to the result.
    var subtype: Int32 = 0
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
  ]

  private static let arithmetic: [Scalar] = [
    Scalar(name: "add_exact", arguments: 2) { context, count, values in
      Invocation(context, count, values)?.exact("add_exact") { $0.addingReportingOverflow($1) }
    },
    Scalar(name: FunctionTable.whole, arguments: 1) { context, count, values in
      Invocation(context, count, values)?.wholeNumber()
    },
    Scalar(name: "exact", arguments: -1) { context, count, values in
      Invocation(context, count, values)?.exactChain()
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
