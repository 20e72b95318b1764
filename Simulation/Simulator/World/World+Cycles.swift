import Execution
import Wire

extension World {
  /// The first sound replica at a height tells what its blocks did with cycles, every other one
  /// must have the same accounts.
  func followCycles(upTo height: Height, _ machine: Machine, _ executor: Executor) {
    guard cycles != nil, let journal = machine.journal else { return }
    let found = executor.height == height ? executor.accounts : nil
    while let next = cycles?.height.next, next <= height, oracle.violations.isEmpty {
      guard let block = try? journal.block(at: next) else { return }
      let receipts = block.header.calls.map { (try? executor.receipt(of: $0))?.receipt }
      let flaws = cycles?.follow(block, receipts: receipts, next == height ? found : nil) ?? []
      for flaw in flaws {
        oracle.report(.cycles, machine.index, nil, "at height \(next) \(flaw)")
      }
    }
    reached.formUnion(cycles?.marks ?? [])
    if let found, let flaw = cycles?.difference(found, at: height) {
      oracle.report(.cycles, machine.index, nil, flaw)
    }
  }
}

extension Executor {
  var accounts: [FileAccount] {
    storage.map { name, bytes, balance, taken in
      FileAccount(
        pipeline: name, bytes: bytes, balance: UInt128(balance.number),
        taken: UInt128(taken.number))
    }
  }
}
