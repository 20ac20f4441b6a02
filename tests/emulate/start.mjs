// Starts emulate's Slack with the seed in the first argument, says where it listens, and ends with its input.
import { createEmulator } from 'emulate'

const { port, slack } = JSON.parse(process.argv[2])
const server = await createEmulator({ service: 'slack', port, seed: { slack } })
console.log(server.url)
process.stdin.on('end', () => process.exit(0)).resume()
