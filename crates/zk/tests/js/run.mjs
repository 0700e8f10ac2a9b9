// Checks, with hands that are not ours, what the Rust test wrote into a directory:
//   node run.mjs DIRECTORY
// cases.json   { name, contract, cases: [{ name, proof: [8], inputs: [N], accept }] } and / or { snarkjs: { vk, cases: [...] } }
// Prints one line of JSON: { gas, evm, snarkjs, disagreements }, the numbers of cases, and exits with 1 at a disagreement.
import { readFileSync } from 'node:fs'
import { createRequire } from 'node:module'
import { join } from 'node:path'

const require = createRequire(join(process.env.MEDIVEIL_ZK_JS, 'package.json'))
const directory = process.argv[2]
const asked = JSON.parse(readFileSync(join(directory, 'cases.json'), 'utf8'))
const cases = asked.cases ?? []
const js = asked.snarkjs ?? { cases: [] }
const disagreements = []
let gas = 0n

if (asked.contract) {
  const solc = require('solc')
  const { createEVM } = require('@ethereumjs/evm')
  const { Common, Mainnet } = require('@ethereumjs/common')
  const { hexToBytes, bytesToHex } = require('@ethereumjs/util')

  const compiled = JSON.parse(solc.compile(JSON.stringify({
    language: 'Solidity',
    sources: { 'v.sol': { content: asked.contract } },
    settings: { optimizer: { enabled: true, runs: 100000 }, evmVersion: 'cancun',
      outputSelection: { '*': { '*': ['evm.bytecode.object', 'evm.methodIdentifiers'] } } },
  })))
  for (const e of compiled.errors ?? []) if (e.severity === 'error') throw new Error(e.formattedMessage)
  const output = compiled.contracts['v.sol'][asked.name]
  const selector = Object.values(output.evm.methodIdentifiers)[0]

  const evm = await createEVM({ common: new Common({ chain: Mainnet, hardfork: 'cancun' }) })
  const created = await evm.runCall({ data: hexToBytes('0x' + output.evm.bytecode.object), gasLimit: 30000000n })
  if (created.execResult.exceptionError) throw new Error('deployment failed')
  const to = created.createdAddress
  const word = (n) => BigInt(n).toString(16).padStart(64, '0')

  for (const c of cases) {
    // Each case is a transaction of its own: the contract and the precompiles are warm (EIP-2929), nothing else is.
    evm.journal.cleanJournal()
    for (const address of [to, ...[6, 7, 8].map((n) => '0x' + n.toString(16).padStart(40, '0'))]) {
      evm.journal.addAlwaysWarmAddress(address.toString())
    }
    const data = hexToBytes('0x' + selector + [...c.proof, ...c.inputs].map(word).join(''))
    const result = await evm.runCall({ to, data, gasLimit: 30000000n })
    const returned = bytesToHex(result.execResult.returnValue)
    const accepted = !result.execResult.exceptionError && returned === '0x' + word(1)
    if (accepted !== c.accept) disagreements.push(`evm: ${c.name}: ${accepted}`)
    if (c.accept) {
      // The transaction: 21,000, 16 a non-zero and 4 a zero byte of calldata, and the execution.
      const calldata = data.reduce((sum, byte) => sum + (byte === 0 ? 4n : 16n), 0n)
      gas = 21000n + calldata + result.execResult.executionGasUsed
    }
  }
}
const snarkjs = js.cases.length ? require('snarkjs') : undefined
for (const c of js.cases) {
  let accepted = false
  try { accepted = await snarkjs.groth16.verify(js.vk, c.inputs, c.proof) } catch { accepted = false }
  if (accepted !== c.accept) disagreements.push(`snarkjs: ${c.name}: ${accepted}`)
}
console.log(JSON.stringify({ gas: Number(gas), evm: cases.length, snarkjs: js.cases.length, disagreements }))
process.exit(disagreements.length ? 1 : 0)
