import Execution
import Signing
import Wire

/// The genesis of a simulated subnet and the keys that go with it.
struct Setting {
  /// 2026-01-01T00:00:00Z.
  static let time = Moment(1_767_225_600_000)
  static let people = 8
  /// A thousand T cycles each.
  static let balance = Cycles(1_000_000_000_000_000)

  let genesis: Genesis
  let signers: [Signer]
  /// The owner first, then the clients.
  let callers: [Signer]
  let genesisRoot: Digest

  init(_ scenario: Scenario) {
    let cluster = scenario.cluster
    var chance = RandomStream(seed: cluster.seed, label: "keys")
    signers = (0..<cluster.replicas).map { _ in Self.signer(cluster.signatures, &chance) }
    callers = (0..<Self.people).map { _ in Self.signer(cluster.signatures, &chance) }
    let administrators = scenario.load?.ledger == true ? DryPipeline.administrators : 1
    genesis = Genesis(
      name: "simulated", protocolVersion: 1, time: Self.time, members: signers.map(\.publicKey),
      administrators: callers.prefix(administrators).map(\.publicKey),
      accounts: callers.map { Genesis.Account(owner: $0.publicKey, balance: Self.balance) })
    genesisRoot = Executor.genesisRoot(of: genesis)
  }

  private static func signer(
    _ scheme: Scenario.Signatures, _ chance: inout RandomStream
  ) -> Signer {
    let seed = chance.bytes(32)
    guard let pair = KeyPair(seed: seed), let key = PublicKey(seed) else {
      preconditionFailure("32 bytes make a key")
    }
    return scheme == .ed25519 ? .ed25519(pair) : .mock(key)
  }
}
