*** Settings ***
Documentation       However a run ends, it leaves nothing behind. The LED is on when each of these
...                 endings comes. Afterwards the line is low, unexported and an input again, in
...                 time; no other pin has moved; no process, open file, lock or file is left; and
...                 a line that somebody else had exported is still theirs. The target's own kernel
...                 is asked, and the observer has watched.
...
...                 The last test plants a defect, and is green when it is found.
Resource            resources/led.resource
Suite Setup         Open Bench    ${BENCH}
Suite Teardown      Close Bench
Test Template       Nothing Should Be Left When
Test Timeout        10 minutes


*** Variables ***
@{SHORT BACKENDS}       sysfs
@{RELEASE BACKENDS}     sysfs    cdev


*** Test Cases ***                      ENDING
The Guest Exits                         the guest exits
The Guest Fails                         the guest fails
The Guest Aborts                        the guest aborts
The Guest Traps                         the guest traps
The Guest Makes A Bad Hypercall         the guest makes a bad hypercall
The Guest Hangs                         the guest hangs until its time is over
SIGINT                                  SIGINT
SIGTERM                                 SIGTERM
SIGHUP                                  SIGHUP
SIGQUIT                                 SIGQUIT
SIGKILL                                 SIGKILL
SIGKILL Of The Process Group            SIGKILL of the process group
SIGSEGV                                 SIGSEGV
The Console Is Closed                   the console is closed
A Deployment Breaks Off                 a deployment breaks off
The Power Is Cut
    [Tags]    power
    [Setup]    Bench Should Be Able To    power
    the power is cut
The Line Is Somebody Else's
    [Setup]    Export Line    led
    [Template]    Tender Should Refuse
    --led:led0={led} -- {${ENDING UNIKERNEL}} exit    already exported    tender=${TENDER}
    [Teardown]    Unexport Line    led
A Line Left Exported Is Caught
    [Tags]    defect
    [Template]    NONE
    ${run} =    End LED Unikernel    SIGKILL    tender=tender-never-unexports
    Defect Should Be Caught    ${run}    release    release-time    cleanup


*** Keywords ***
Nothing Should Be Left When
    [Documentation]    Ends one run for each backend that this length of the suites asks for.
    [Arguments]    ${ending}
    FOR    ${backend}    IN    @{${LENGTH} BACKENDS}
        ${run} =    End LED Unikernel
        ...    ${ending}    backend=${backend}    tender=${TENDER}    unikernel=${ENDING UNIKERNEL}
        Line Should Have Been Given Back    ${run}
        Target Should Be As Before    ${run}
        Verdict Should Be Pass    ${run}
    END
