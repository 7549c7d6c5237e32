*** Settings ***
Documentation       The same blinking, run after run, as measurements for the release gate: `make acceptance`
...                 compares their figures with those of a release before. Each run is one sample.
...                 `--variable LENGTH:release` is the length for it, and `RUNS` or `CYCLES` sets one's own.
Resource            resources/led.resource
Suite Setup         Open Bench    ${BENCH}
Suite Teardown      Close Bench
Test Tags           release    robot:continue-on-failure
Test Timeout        1 hour


*** Variables ***
${LENGTH}           short
&{RUNS OF}          short=2    release=20
&{CYCLES OF}        short=5    release=50
${RUNS}             ${RUNS OF}[${LENGTH}]
${CYCLES}           ${CYCLES OF}[${LENGTH}]


*** Test Cases ***
LED Blinks As Commanded In Every Run
    FOR    ${_}    IN RANGE    ${RUNS}
        ${run} =    Run LED Unikernel    cycles=${CYCLES}    on=200 ms    off=200 ms
        Verdict Should Be Pass    ${run}
    END
