import fs from 'node:fs'
const f=fs.openSync('/tmp/fx/zz','w'); for(let i=0;i<5;i++) {fs.writeSync(f,Buffer.from('a'),0,1,i); fs.fsyncSync(f)}; setTimeout(()=>console.log('alive'),200)
