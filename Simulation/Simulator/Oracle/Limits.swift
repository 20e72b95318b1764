/// Bounds of what the oracle remembers.
enum OracleLimits {
  /// Views and heights kept below what every replica that will come back has finalized.
  static let retained: UInt64 = 512
  /// Forgetting is worth its while after so many views.
  static let forgetEvery: UInt64 = 256
}
