import Pipelines
import Testing
import Wire

@Suite struct `A checked package` {
  @Test(arguments: ["bank-reconciliation", "berka"])
  func `of the examples is sound, from its folder and from canonical bytes`(name: String) throws {
    let package = try PackageReader.read(directory: Folders.pipeline(name))
    let checked = try CheckedPackage(try Package(canonicalBytes: package.canonicalBytes))
    #expect(checked.models.count == package.models.count)
    for (place, model) in checked.models.enumerated() {
      for case .model(let upstream) in model.upstreams {
        #expect(checked.models[..<place].contains { $0.name == upstream })
      }
    }
  }
}
