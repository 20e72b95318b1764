/// Bounds of what the oracle remembers, and of what it lets a replica hold: restated here, so that
/// a limit that is changed in the core by mistake is noticed.
enum OracleLimits {
  /// Views and heights kept below what every replica that will come back has finalized.
  static let retained: UInt64 = 512
  /// Forgetting is worth its while after so many views.
  static let forgetEvery: UInt64 = 256
  /// A machine is looked at once in so many finalized heights.
  static let boundsEvery: UInt64 = 4

  /// Bytes of a call's body.
  static let callBytesMax: UInt64 = 1 << 20

  // Rule R13: last finalized < view ≤ current + 3, and 64 views kept below for repair, a few times
  // as many after a jump.
  static let viewsAhead: UInt64 = 3
  static let viewsKept: UInt64 = 5 * 64
  /// Blocks below the tip, and as many finalized ones above a gap.
  static let blocksKept = 16 + 1
  /// Headers that wait for bodies.
  static let assembliesMax = 16
  /// 256 heights below the executed one and 64 above, and certificates of 4,096 heights above.
  static let statesMax = 256 + 4_096 + 1
  static let poolCallsMax = 20_000
  static let poolBytesMax = 64 << 20
  static let orderedMax = 65_536
  /// Votes, certificates and bodies that one slow sync may hold back.
  static let heldMax = 4_096
  static let executionsMax = 4
  /// Bytes of messages under way to one replica, where a scenario names no other.
  static let underWayMax = 64 << 20
  /// A journal's log starts anew at 4 MiB, a pipeline's after 8; a reader may hold that back up to
  /// 16, and one large block comes on top.
  static let logBytesMax = 24 << 20
}
