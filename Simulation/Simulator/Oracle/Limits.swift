/// Bounds of what the oracle remembers, and of what it lets a replica hold: restated here, so that
/// a limit that is changed in the core by mistake is noticed.
enum OracleLimits {
  /// Views and heights kept below what every replica that will come back has finalized.
  static let retained: UInt64 = 512
  /// Forgetting is worth its while after so many views.
  static let forgetEvery: UInt64 = 256
  /// A machine is looked at once in so many finalized heights, and in so many microseconds.
  static let boundsEvery: UInt64 = 4
  static let boundsEveryMicroseconds: UInt64 = 500_000

  /// Milliseconds of block time that a call may live.
  static let callLifetime: UInt64 = 600_000
  // A block: calls, bytes of all bodies, and the sum of the step limits that its calls declare.
  static let blockCallsMax = 2_048
  static let blockBytesMax: UInt64 = 4 << 20
  static let blockStepsMax: UInt64 = 200_000_000
  /// Bytes of a call's body.
  static let callBytesMax: UInt64 = 1 << 20

  // Rule R13: last finalized < view ≤ current + 3, and 64 views kept below for repair, a few times
  // as many after a jump.
  static let viewsAhead: UInt64 = 3
  static let viewsKept: UInt64 = 5 * 64
  /// Views below the finalized one and after a jump that one replica may hold, besides those from
  /// its last finalized to its current one.
  static let viewsBeside: UInt64 = 4 * 64 + 2 * viewsAhead
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
