import CSQLite
import Signing
import Wire

/// What the functions of one connection know of the call that runs, and what they have used.
///
/// - Safety: all that a function may know of the world is in here and agreed on: block time, the
///   block's digest, the call.
final class FunctionContext {
  var time: Moment = 0
  /// The digest of the block: what nobody knew before it was ordered.
  var randomness: Digest = .zero
  var call: Digest = .zero
  /// What the nonces of the call's rows are made from: no function gives it.
  private(set) var seed: Digest = .zero
  private let meter: StepMeter
  /// Rows that the batch at hand has quarantined, and all it has, for `quarantined_ppm()`.
  var rowsQuarantined: Int64 = 0
  var rowsInBatch: Int64 = 0

  init(_ meter: StepMeter) { self.meter = meter }

  /// Bytes over the free ones that costly functions went through.
  var bytes: UInt64 { meter.bytes }

  func begin(time: Moment, randomness: Digest, call: Digest) {
    self.time = time
    self.randomness = randomness
    self.call = call
    seed = .zero
    meter.bytes = 0
    rowsQuarantined = 0
    rowsInBatch = 0
  }

  func begin(_ call: OrderedCall, in block: BlockContext) {
    begin(time: block.time, randomness: block.randomness, call: call.digest)
    seed = call.seed(in: block)
  }

  func meter(bytes count: Int) {
    let over = max(0, count - ExecutionLimits.functionBytesFree)
    meter.bytes += UInt64(over)
  }

  /// Counts a value that quarantine kept, and that is read again.
  func meter(heldBytes count: Int) {
    let over = max(0, count - ExecutionLimits.functionBytesFree)
    meter.bytes += UInt64(over) * ExecutionLimits.functionBytesPerHeldByte
  }
}

/// One invocation of a function by SQLite, with typed arguments and results.
struct Invocation {
  let context: OpaquePointer
  private let values: UnsafeMutablePointer<OpaquePointer?>?
  let count: Int

  init?(_ context: OpaquePointer?, _ count: Int32, _ values: UnsafeMutablePointer<OpaquePointer?>?)
  {
    guard let context else { return nil }
    self.context = context
    self.values = values
    self.count = Int(count)
  }

  var state: FunctionContext {
    // Registered with the context of its connection, which outlives the connection's statements.
    Unmanaged<FunctionContext>.fromOpaque(sqlite3_user_data(context)).takeUnretainedValue()
  }

  func type(_ index: Int) -> Int32 { sqlite3_value_type(values?[index]) }
  func isNull(_ index: Int) -> Bool { type(index) == SQLITE_NULL }
  /// Reading its bytes would turn it into a text.
  func isNumber(_ index: Int) -> Bool {
    [SQLITE_INTEGER, SQLITE_FLOAT].contains(type(index))
  }
  var anyNull: Bool { (0..<count).contains { isNull($0) } }

  /// nil unless the argument is stored as an integer.
  func integer(_ index: Int) -> Int64? {
    type(index) == SQLITE_INTEGER ? sqlite3_value_int64(values?[index]) : nil
  }

  func real(_ index: Int) -> Double { sqlite3_value_double(values?[index]) }

  /// The argument's text in UTF-8; a blob's bytes as they are.
  func bytes(_ index: Int) -> UnsafeRawBufferPointer {
    let start: UnsafeRawPointer?
    if type(index) == SQLITE_BLOB {
      start = sqlite3_value_blob(values?[index])
    } else {
      start = UnsafeRawPointer(sqlite3_value_text(values?[index]))
    }
    let length = Int(sqlite3_value_bytes(values?[index]))
    return UnsafeRawBufferPointer(start: start, count: start == nil ? 0 : length)
  }

  func text(_ index: Int) -> String { String(decoding: bytes(index), as: UTF8.self) }

  func value(_ index: Int) -> SQLValue {
    switch type(index) {
    case SQLITE_INTEGER: .integer(sqlite3_value_int64(values?[index]))
    case SQLITE_FLOAT: .real(sqlite3_value_double(values?[index]))
    case SQLITE_TEXT: .text(Array(bytes(index)))
    case SQLITE_BLOB: .blob(Array(bytes(index)))
    default: .null
    }
  }

  func give(_ value: Int64) { sqlite3_result_int64(context, value) }
  /// The first argument, with its subtype.
  func giveArgument() { sqlite3_result_value(context, values?[0]) }
  func giveNull() { sqlite3_result_null(context) }

  func give(_ text: String) {
    var text = text
    text.withUTF8 { give(utf8: UnsafeRawBufferPointer($0)) }
  }

  func give(utf8 bytes: UnsafeRawBufferPointer) {
    guard let start = bytes.baseAddress else {
      quorate_sqlite3_result_text(context, "", 0)
      return
    }
    quorate_sqlite3_result_text(
      context, start.assumingMemoryBound(to: CChar.self), Int32(bytes.count))
  }

  /// Ends the statement with an error of ours.
  func fail(_ message: String) { sqlite3_result_error(context, message, -1) }
  /// Ends the statement since 64 bits do not hold a number (QD22).
  func overflow() { Self.overflow(context) }
  /// Ends the statement since a value is no whole number of 64 bits (QD22). SQLite itself never
  /// gives this code (https://sqlite.org/rescode.html#format).
  func notWhole() {
    sqlite3_result_error(context, "a value is no whole number of 64 bits", -1)
    sqlite3_result_error_code(context, SQLITE_FORMAT)
  }
  static func overflow(_ context: OpaquePointer?) {
    sqlite3_result_error(context, "a number overflows 64 bits", -1)
    sqlite3_result_error_code(context, SQLITE_RANGE)
  }
}

/// A value as SQLite orders them: null, numbers, texts, blobs; bytes compare unsigned.
enum SQLValue: Hashable, Comparable {
  case null
  case integer(Int64)
  case real(Double)
  case text([UInt8])
  case blob([UInt8])

  static func < (a: SQLValue, b: SQLValue) -> Bool {
    switch (a, b) {
    case (.integer(let x), .integer(let y)): x < y
    case (.real(let x), .real(let y)): x < y
    case (.integer(let x), .real(let y)): Double(x) < y
    case (.real(let x), .integer(let y)): x < Double(y)
    case (.text(let x), .text(let y)), (.blob(let x), .blob(let y)):
      x.lexicographicallyPrecedes(y)
    default: a.rank < b.rank
    }
  }

  private var rank: Int {
    switch self {
    case .null: 0
    case .integer, .real: 1
    case .text: 2
    case .blob: 3
    }
  }
}
