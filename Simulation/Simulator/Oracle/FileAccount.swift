/// What a replica's file of one pipeline says after a block.
struct FileAccount: Hashable {
  let pipeline: String
  let bytes: UInt64
  let balance: UInt128
  /// Taken for storage so far.
  let taken: UInt128
}
