import ArgumentParser
import Foundation
import Signing

struct IdentityCommand: AsyncParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "identity", abstract: "Keys that sign calls.",
    discussion: """
      An identity is an Ed25519 key in the cluster's folder. 'operator' is made by 'cluster init'
      and holds the cycles that the genesis mints.

        quorate identity new alice
      """,
    subcommands: [New.self, List.self, Show.self])

  struct New: AsyncParsableCommand {
    static let configuration = CommandConfiguration(abstract: "Make a key.")
    @OptionGroup var location: ClusterLocation
    @Argument(help: "Its name on this machine.") var name: String

    func run() async throws {
      let pair = try location.identities.create(name)
      Terminal.say("\(name)  \(pair.publicKey.hex)")
    }
  }

  struct List: AsyncParsableCommand {
    static let configuration = CommandConfiguration(abstract: "The keys of this folder.")
    @OptionGroup var location: ClusterLocation
    @Flag(help: "For programs.") var json = false

    func run() async throws {
      let store = location.identities
      let all = try store.names().map { [$0, try store.keyPair(of: $0).publicKey.hex] }
      if json {
        Terminal.say(try Terminal.json(all.map { ["name": $0[0], "key": $0[1]] }))
      } else {
        Terminal.say(Terminal.table(["name", "public key"], all))
      }
    }
  }

  struct Show: AsyncParsableCommand {
    static let configuration = CommandConfiguration(abstract: "One key's public half.")
    @OptionGroup var location: ClusterLocation
    @Argument var name: String

    func run() async throws {
      Terminal.say(try location.identities.keyPair(of: name).publicKey.hex)
    }
  }
}
