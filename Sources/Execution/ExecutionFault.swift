import CSQLite
import Storage
import Wire

/// Why this machine could not execute. Never an outcome: another replica, or this one later, may
/// execute the same block to its end.
package struct ExecutionFault: Error, CustomStringConvertible {
  package enum Kind: Hashable, Sendable {
    /// The disk, memory, locks: what SQLite calls an environment fault.
    case environment
    /// The disk has no room left.
    case full
    /// The files and the block do not fit together: a gap in heights, another genesis.
    case mismatch
    /// What is stored is not what this software wrote.
    case damaged
  }

  package let kind: Kind
  package let description: String

  package init(_ kind: Kind, _ description: String) {
    self.kind = kind
    self.description = description
  }

  static let noRoom = ExecutionFault(
    .full, "the disk has no more room than this replica's journal needs")

  /// What to do about files that are damaged.
  static let anew =
    "Move system.sqlite and pipelines out of the state folder and start again: this replica then "
    + "executes its log anew"

  package init(_ fault: StorageFault) {
    let trouble =
      fault.isEnvironment
      ? "\(fault): this machine's own trouble, so no call is refused for it (QD37)"
      : fault.description
    if fault.isDamage {
      (kind, description) = (.damaged, "\(trouble). \(Self.anew)")
    } else {
      (kind, description) = (fault.isFull ? .full : .environment, trouble)
    }
  }
}

extension StorageFault {
  /// What this software stored cannot be read back.
  static func unreadable(_ what: String) -> StorageFault {
    StorageFault(
      code: SQLITE_CORRUPT, extendedCode: SQLITE_CORRUPT,
      message: "\(what) is not what was written", doing: "reading a pipeline's file")
  }
}

/// What stops an update: a refusal, which all replicas reach, or the machine's failure.
enum Stop: Error {
  case refused(Refusal)
  case failed(ExecutionFault)

  /// A fault of one of our own statements: such statements are never at fault themselves.
  init(machine fault: StorageFault) { self = .failed(ExecutionFault(fault)) }

  /// A fault of the user's SQL. SQLite's words change from version to version, so they go no
  /// further than here.
  init(sql fault: StorageFault, in what: String) {
    switch fault.kind {
    case .environment: self = .failed(ExecutionFault(fault))
    case .interrupted:
      self = .refused(
        Refusal(
          "STEP_LIMIT",
          "\(what) needs more steps than the call may use: raise the call's step limit or the "
            + "package's budget, or send smaller batches"))
    case .denied:
      self = .refused(Refusal("SQL_DENIED", "\(what) does what SQL here may not do"))
    case .statement:
      self = .refused(Refusal(Self.code(of: fault), "\(what) \(Self.reason(of: fault))"))
    }
  }

  /// What the values of one row come to, whatever else the update does.
  var ofOneRow: Refusal? {
    guard case .refused(let refusal) = self,
      refusal.code.hasPrefix("SQL_") || ["QD22", "QD23", "KEY_TOO_LONG"].contains(refusal.code)
    else { return nil }
    return refusal
  }

  private static func code(of fault: StorageFault) -> String {
    switch fault.code {
    case 18: "SQL_TOO_BIG"
    case 19: "SQL_CONSTRAINT"
    case 20: "SQL_MISMATCH"
    case 24, 25: "QD22"
    default: "SQL_ERROR"
    }
  }

  private static func reason(of fault: StorageFault) -> String {
    switch fault.code {
    case 18: "makes a value over \(ExecutionLimits.valueBytesMax) bytes"
    case 19: "breaks a constraint of its table: a null where none may be, or a wrong type"
    case 20: "makes a value of a wrong type"
    case 24:
      "casts to integer what is no whole number of 64 bits, as '12a', '1.5', ' 7' or '': leave "
        + "such texts out before, as in case when x <> '' and x not glob '*[^0-9]*' then "
        + "cast(x as integer) end"
    case 25:
      "overflows 64 bits: keep smaller units, or multiply and divide in one step with mul_div"
    default:
      "fails: a function was given what it does not take, or a value is malformed. SQLite's own "
        + "words change from version to version, so no receipt holds them (QD40)"
    }
  }
}
