import ArgumentParser
import Foundation
import QuorateClient
import Signing
import Wire

extension PipelineCommand {
  struct Grant: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
      abstract: "Give a role of a pipeline to a key; its owner may.",
      discussion: """
        A role is what stands as role:NAME in an 'allow:' of the package. 'quorate pipeline show'
        lists who holds which.

          quorate pipeline grant bank_reconciliation operations alice
          quorate pipeline grant bank_reconciliation operations 3b6a…64 digits…29da
        """)
    @OptionGroup var change: RoleChange

    func run() async throws {
      try await change.submit { role, key in .grant(role: role, to: key) }
    }
  }

  struct Revoke: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
      abstract: "Take a role of a pipeline back from a key; its owner may.",
      discussion: "  quorate pipeline revoke bank_reconciliation operations alice")
    @OptionGroup var change: RoleChange

    func run() async throws {
      try await change.submit { role, key in .revoke(role: role, from: key) }
    }
  }
}

/// What granting and revoking take.
struct RoleChange: ParsableArguments {
  @OptionGroup var location: ClusterLocation
  @OptionGroup var caller: Caller
  @Argument(help: "The pipeline.") var pipeline: String
  @Argument(help: "The role, without 'role:'.") var role: String
  @Argument(
    help: ArgumentHelp(
      "An identity of this folder, or a public key of 64 hexadecimal digits.",
      valueName: "key|name"))
  var who: String
  @Option(help: "The idempotency key: sent again, it has one effect. Without it, a new one.")
  var key: String?
  @Flag(help: "For programs.") var json = false

  func submit(_ method: (String, PublicKey) -> Wire.Method) async throws {
    guard !role.isEmpty, role.utf8.count <= Limits.nameBytesMax else {
      throw Failure(
        "'\(role)' is no role: a name has 1 to \(Limits.nameBytesMax) bytes. "
          + "'quorate pipeline show \(pipeline)' shows the roles after 'for'.")
    }
    let holder = try location.identities.publicKey(of: who)
    let session = try Session(location, caller)
    let wanted = method(role, holder)
    let certified = try await session.submit(
      Intention(pipeline: pipeline, method: wanted, key: key ?? Session.freshKey()))
    await session.client.close()
    let words =
      if case .grant = wanted {
        "\(who) holds the role \(role) of \(pipeline)"
      } else {
        "\(who) no longer holds the role \(role) of \(pipeline)"
      }
    Terminal.say(try ReceiptReport(certified).remarking(words).text(json: json))
  }
}

extension IdentityStore {
  /// The key of an identity of this folder, or the key itself.
  func publicKey(of who: String) throws -> PublicKey {
    if let key = PublicKey(hex: who) { return key }
    let isMeantAsKey = who.count >= 32 && who.allSatisfy { $0.isHexDigit }
    guard !isMeantAsKey || names().contains(who) else {
      throw Failure(
        "'\(who)' is no public key: it has \(who.count) digits, and a key has 64 hexadecimal "
          + "digits in lower case. 'quorate identity list' shows those of this folder.")
    }
    // Says what identities there are.
    return try keyPair(of: who).publicKey
  }
}

/// Who holds a role, with the name that this folder has for the key.
struct RoleHolder: Encodable {
  let role: String
  let identity: String?
  let key: String

  static func all(of report: PipelineReport, in store: IdentityStore) -> [RoleHolder] {
    var names: [PublicKey: String] = [:]
    for name in store.names() {
      if let pair = try? store.keyPair(of: name) { names[pair.publicKey] = name }
    }
    return report.grants.map {
      RoleHolder(role: $0.role, identity: names[$0.key], key: $0.key.hex)
    }
  }
}

/// A pipeline as programs read it.
struct PipelineSummary: Encodable {
  let name: String
  /// At which one replica describes it: another one may be further.
  let height: UInt64
  let version: String
  let owner: String
  let package: String
  let balance: String
  let root: String
  let condition: String
  /// Sources that took no row for longer than their `freshness:` allows.
  let stale: [String]
  let rows: [SourceRows]
  let roles: [RoleHolder]
}
