"""The tactics and techniques of MITRE ATT&CK for Enterprise 18.1, as a compact table.

A technique's line is `id|tactics|name`; each tactic is one hexadecimal digit, its index in
`TACTICS`. Revoked and deprecated techniques are included, because old rules still use their ids.

(c) 2025 The MITRE Corporation. This work is reproduced and distributed with the permission of The
MITRE Corporation. MITRE grants a non-exclusive, royalty-free license to use ATT&CK(R) for research,
development, and commercial purposes; any copy must reproduce this copyright designation and license
(see LICENSE.txt of https://github.com/mitre/cti).
"""

VERSION = "18.1"

TACTICS = (
    ("TA0001", "Initial Access"),
    ("TA0002", "Execution"),
    ("TA0003", "Persistence"),
    ("TA0004", "Privilege Escalation"),
    ("TA0005", "Defense Evasion"),
    ("TA0006", "Credential Access"),
    ("TA0007", "Discovery"),
    ("TA0008", "Lateral Movement"),
    ("TA0009", "Collection"),
    ("TA0010", "Exfiltration"),
    ("TA0011", "Command and Control"),
    ("TA0040", "Impact"),
    ("TA0042", "Resource Development"),
    ("TA0043", "Reconnaissance"),
)

TECHNIQUES = """\
T1001|a|Data Obfuscation
T1001.001|a|Junk Data
T1001.002|a|Steganography
T1001.003|a|Protocol or Service Impersonation
T1002|9|Data Compressed
T1003|5|OS Credential Dumping
T1003.001|5|LSASS Memory
T1003.002|5|Security Account Manager
T1003.003|5|NTDS
T1003.004|5|LSA Secrets
T1003.005|5|Cached Domain Credentials
T1003.006|5|DCSync
T1003.007|5|Proc Filesystem
T1003.008|5|/etc/passwd and /etc/shadow
T1004|2|Winlogon Helper DLL
T1005|8|Data from Local System
T1006|4|Direct Volume Access
T1007|6|System Service Discovery
T1008|a|Fallback Channels
T1009|4|Binary Padding
T1010|6|Application Window Discovery
T1011|9|Exfiltration Over Other Network Medium
T1011.001|9|Exfiltration Over Bluetooth
T1012|6|Query Registry
T1013|23|Port Monitors
T1014|4|Rootkit
T1015|23|Accessibility Features
T1016|6|System Network Configuration Discovery
T1016.001|6|Internet Connection Discovery
T1016.002|6|Wi-Fi Discovery
T1017|7|Application Deployment Software
T1018|6|Remote System Discovery
T1019|2|System Firmware
T1020|9|Automated Exfiltration
T1020.001|9|Traffic Duplication
T1021|7|Remote Services
T1021.001|7|Remote Desktop Protocol
T1021.002|7|SMB/Windows Admin Shares
T1021.003|7|Distributed Component Object Model
T1021.004|7|SSH
T1021.005|7|VNC
T1021.006|7|Windows Remote Management
T1021.007|7|Cloud Services
T1021.008|7|Direct Cloud VM Connections
T1022|9|Data Encrypted
T1023|2|Shortcut Modification
T1024|a|Custom Cryptographic Protocol
T1025|8|Data from Removable Media
T1026|a|Multiband Communication
T1027|4|Obfuscated Files or Information
T1027.001|4|Binary Padding
T1027.002|4|Software Packing
T1027.003|4|Steganography
T1027.004|4|Compile After Delivery
T1027.005|4|Indicator Removal from Tools
T1027.006|4|HTML Smuggling
T1027.007|4|Dynamic API Resolution
T1027.008|4|Stripped Payloads
T1027.009|4|Embedded Payloads
T1027.010|4|Command Obfuscation
T1027.011|4|Fileless Storage
T1027.012|4|LNK Icon Smuggling
T1027.013|4|Encrypted/Encoded File
T1027.014|4|Polymorphic Code
T1027.015|4|Compression
T1027.016|4|Junk Code Insertion
T1027.017|4|SVG Smuggling
T1028|17|Windows Remote Management
T1029|9|Scheduled Transfer
T1030|9|Data Transfer Size Limits
T1031|2|Modify Existing Service
T1032|a|Standard Cryptographic Protocol
T1033|6|System Owner/User Discovery
T1034|23|Path Interception
T1035|1|Service Execution
T1036|4|Masquerading
T1036.001|4|Invalid Code Signature
T1036.002|4|Right-to-Left Override
T1036.003|4|Rename Legitimate Utilities
T1036.004|4|Masquerade Task or Service
T1036.005|4|Match Legitimate Resource Name or Location
T1036.006|4|Space after Filename
T1036.007|4|Double File Extension
T1036.008|4|Masquerade File Type
T1036.009|4|Break Process Trees
T1036.010|4|Masquerade Account Name
T1036.011|4|Overwrite Process Arguments
T1036.012|4|Browser Fingerprint
T1037|23|Boot or Logon Initialization Scripts
T1037.001|23|Logon Script (Windows)
T1037.002|23|Login Hook
T1037.003|23|Network Logon Script
T1037.004|23|RC Scripts
T1037.005|23|Startup Items
T1038|234|DLL Search Order Hijacking
T1039|8|Data from Network Shared Drive
T1040|56|Network Sniffing
T1041|9|Exfiltration Over C2 Channel
T1042|2|Change Default File Association
T1043|a|Commonly Used Port
T1044|23|File System Permissions Weakness
T1045|4|Software Packing
T1046|6|Network Service Discovery
T1047|1|Windows Management Instrumentation
T1048|9|Exfiltration Over Alternative Protocol
T1048.001|9|Exfiltration Over Symmetric Encrypted Non-C2 Protocol
T1048.002|9|Exfiltration Over Asymmetric Encrypted Non-C2 Protocol
T1048.003|9|Exfiltration Over Unencrypted Non-C2 Protocol
T1049|6|System Network Connections Discovery
T1050|23|New Service
T1051|7|Shared Webroot
T1052|9|Exfiltration Over Physical Medium
T1052.001|9|Exfiltration over USB
T1053|123|Scheduled Task/Job
T1053.001|123|At (Linux)
T1053.002|123|At
T1053.003|123|Cron
T1053.004|123|Launchd
T1053.005|123|Scheduled Task
T1053.006|123|Systemd Timers
T1053.007|123|Container Orchestration Job
T1054|4|Indicator Blocking
T1055|34|Process Injection
T1055.001|34|Dynamic-link Library Injection
T1055.002|34|Portable Executable Injection
T1055.003|34|Thread Execution Hijacking
T1055.004|34|Asynchronous Procedure Call
T1055.005|34|Thread Local Storage
T1055.008|34|Ptrace System Calls
T1055.009|34|Proc Memory
T1055.011|34|Extra Window Memory Injection
T1055.012|34|Process Hollowing
T1055.013|34|Process Doppelgänging
T1055.014|34|VDSO Hijacking
T1055.015|34|ListPlanting
T1056|58|Input Capture
T1056.001|58|Keylogging
T1056.002|58|GUI Input Capture
T1056.003|58|Web Portal Capture
T1056.004|58|Credential API Hooking
T1057|6|Process Discovery
T1058|23|Service Registry Permissions Weakness
T1059|1|Command and Scripting Interpreter
T1059.001|1|PowerShell
T1059.002|1|AppleScript
T1059.003|1|Windows Command Shell
T1059.004|1|Unix Shell
T1059.005|1|Visual Basic
T1059.006|1|Python
T1059.007|1|JavaScript
T1059.008|1|Network Device CLI
T1059.009|1|Cloud API
T1059.010|1|AutoHotKey & AutoIT
T1059.011|1|Lua
T1059.012|1|Hypervisor CLI
T1059.013|1|Container CLI/API
T1060|2|Registry Run Keys / Startup Folder
T1061|1|Graphical User Interface
T1062|2|Hypervisor
T1063|6|Security Software Discovery
T1064|14|Scripting
T1065|a|Uncommonly Used Port
T1066|4|Indicator Removal from Tools
T1067|2|Bootkit
T1068|3|Exploitation for Privilege Escalation
T1069|6|Permission Groups Discovery
T1069.001|6|Local Groups
T1069.002|6|Domain Groups
T1069.003|6|Cloud Groups
T1070|4|Indicator Removal
T1070.001|4|Clear Windows Event Logs
T1070.002|4|Clear Linux or Mac System Logs
T1070.003|4|Clear Command History
T1070.004|4|File Deletion
T1070.005|4|Network Share Connection Removal
T1070.006|4|Timestomp
T1070.007|4|Clear Network Connection History and Configurations
T1070.008|4|Clear Mailbox Data
T1070.009|4|Clear Persistence
T1070.010|4|Relocate Malware
T1071|a|Application Layer Protocol
T1071.001|a|Web Protocols
T1071.002|a|File Transfer Protocols
T1071.003|a|Mail Protocols
T1071.004|a|DNS
T1071.005|a|Publish/Subscribe Protocols
T1072|17|Software Deployment Tools
T1073|4|DLL Side-Loading
T1074|8|Data Staged
T1074.001|8|Local Data Staging
T1074.002|8|Remote Data Staging
T1075|7|Pass the Hash
T1076|7|Remote Desktop Protocol
T1077|7|Windows Admin Shares
T1078|0234|Valid Accounts
T1078.001|0234|Default Accounts
T1078.002|0234|Domain Accounts
T1078.003|0234|Local Accounts
T1078.004|0234|Cloud Accounts
T1079|a|Multilayer Encryption
T1080|7|Taint Shared Content
T1081|5|Credentials in Files
T1082|6|System Information Discovery
T1083|6|File and Directory Discovery
T1084|2|Windows Management Instrumentation Event Subscription
T1085|14|Rundll32
T1086|1|PowerShell
T1087|6|Account Discovery
T1087.001|6|Local Account
T1087.002|6|Domain Account
T1087.003|6|Email Account
T1087.004|6|Cloud Account
T1088|34|Bypass User Account Control
T1089|4|Disabling Security Tools
T1090|a|Proxy
T1090.001|a|Internal Proxy
T1090.002|a|External Proxy
T1090.003|a|Multi-hop Proxy
T1090.004|a|Domain Fronting
T1091|07|Replication Through Removable Media
T1092|a|Communication Through Removable Media
T1093|4|Process Hollowing
T1094|a|Custom Command and Control Protocol
T1095|a|Non-Application Layer Protocol
T1096|4|NTFS File Attributes
T1097|7|Pass the Ticket
T1098|23|Account Manipulation
T1098.001|23|Additional Cloud Credentials
T1098.002|23|Additional Email Delegate Permissions
T1098.003|23|Additional Cloud Roles
T1098.004|23|SSH Authorized Keys
T1098.005|23|Device Registration
T1098.006|23|Additional Container Cluster Roles
T1098.007|23|Additional Local or Domain Groups
T1099|4|Timestomp
T1100|23|Web Shell
T1101|2|Security Support Provider
T1102|a|Web Service
T1102.001|a|Dead Drop Resolver
T1102.002|a|Bidirectional Communication
T1102.003|a|One-Way Communication
T1103|23|AppInit DLLs
T1104|a|Multi-Stage Channels
T1105|a|Ingress Tool Transfer
T1106|1|Native API
T1107|4|File Deletion
T1108|24|Redundant Access
T1109|24|Component Firmware
T1110|5|Brute Force
T1110.001|5|Password Guessing
T1110.002|5|Password Cracking
T1110.003|5|Password Spraying
T1110.004|5|Credential Stuffing
T1111|5|Multi-Factor Authentication Interception
T1112|24|Modify Registry
T1113|8|Screen Capture
T1114|8|Email Collection
T1114.001|8|Local Email Collection
T1114.002|8|Remote Email Collection
T1114.003|8|Email Forwarding Rule
T1115|8|Clipboard Data
T1116|4|Code Signing
T1117|14|Regsvr32
T1118|14|InstallUtil
T1119|8|Automated Collection
T1120|6|Peripheral Device Discovery
T1121|14|Regsvcs/Regasm
T1122|24|Component Object Model Hijacking
T1123|8|Audio Capture
T1124|6|System Time Discovery
T1125|8|Video Capture
T1126|4|Network Share Connection Removal
T1127|4|Trusted Developer Utilities Proxy Execution
T1127.001|4|MSBuild
T1127.002|4|ClickOnce
T1127.003|4|JamPlus
T1128|2|Netsh Helper DLL
T1129|1|Shared Modules
T1130|4|Install Root Certificate
T1131|2|Authentication Package
T1132|a|Data Encoding
T1132.001|a|Standard Encoding
T1132.002|a|Non-Standard Encoding
T1133|02|External Remote Services
T1134|34|Access Token Manipulation
T1134.001|34|Token Impersonation/Theft
T1134.002|34|Create Process with Token
T1134.003|34|Make and Impersonate Token
T1134.004|34|Parent PID Spoofing
T1134.005|34|SID-History Injection
T1135|6|Network Share Discovery
T1136|2|Create Account
T1136.001|2|Local Account
T1136.002|2|Domain Account
T1136.003|2|Cloud Account
T1137|2|Office Application Startup
T1137.001|2|Office Template Macros
T1137.002|2|Office Test
T1137.003|2|Outlook Forms
T1137.004|2|Outlook Home Page
T1137.005|2|Outlook Rules
T1137.006|2|Add-ins
T1138|23|Application Shimming
T1139|5|Bash History
T1140|4|Deobfuscate/Decode Files or Information
T1141|5|Input Prompt
T1142|5|Keychain
T1143|4|Hidden Window
T1144|4|Gatekeeper Bypass
T1145|5|Private Keys
T1146|4|Clear Command History
T1147|4|Hidden Users
T1148|4|HISTCONTROL
T1149|4|LC_MAIN Hijacking
T1150|234|Plist Modification
T1151|14|Space after Filename
T1152|124|Launchctl
T1153|1|Source
T1154|12|Trap
T1155|1|AppleScript
T1156|2|Malicious Shell Modification
T1157|23|Dylib Hijacking
T1158|24|Hidden Files and Directories
T1159|2|Launch Agent
T1160|23|Launch Daemon
T1161|2|LC_LOAD_DYLIB Addition
T1162|2|Login Item
T1163|2|Rc.common
T1164|2|Re-opened Applications
T1165|23|Startup Items
T1166|23|Setuid and Setgid
T1167|5|Securityd Memory
T1168|12|Local Job Scheduling
T1169|3|Sudo
T1170|14|Mshta
T1171|5|LLMNR/NBT-NS Poisoning and Relay
T1172|a|Domain Fronting
T1173|1|Dynamic Data Exchange
T1174|5|Password Filter DLL
T1175|17|Component Object Model and Distributed COM
T1176|2|Software Extensions
T1176.001|2|Browser Extensions
T1176.002|2|IDE Extensions
T1177|12|LSASS Driver
T1178|3|SID-History Injection
T1179|235|Hooking
T1180|2|Screensaver
T1181|34|Extra Window Memory Injection
T1182|23|AppCert DLLs
T1183|234|Image File Execution Options Injection
T1184|7|SSH Hijacking
T1185|8|Browser Session Hijacking
T1186|4|Process Doppelgänging
T1187|5|Forced Authentication
T1188|a|Multi-hop Proxy
T1189|0|Drive-by Compromise
T1190|0|Exploit Public-Facing Application
T1191|14|CMSTP
T1192|0|Spearphishing Link
T1193|0|Spearphishing Attachment
T1194|0|Spearphishing via Service
T1195|0|Supply Chain Compromise
T1195.001|0|Compromise Software Dependencies and Development Tools
T1195.002|0|Compromise Software Supply Chain
T1195.003|0|Compromise Hardware Supply Chain
T1196|14|Control Panel Items
T1197|24|BITS Jobs
T1198|24|SIP and Trust Provider Hijacking
T1199|0|Trusted Relationship
T1200|0|Hardware Additions
T1201|6|Password Policy Discovery
T1202|4|Indirect Command Execution
T1203|1|Exploitation for Client Execution
T1204|1|User Execution
T1204.001|1|Malicious Link
T1204.002|1|Malicious File
T1204.003|1|Malicious Image
T1204.004|1|Malicious Copy and Paste
T1204.005|1|Malicious Library
T1205|24a|Traffic Signaling
T1205.001|24a|Port Knocking
T1205.002|24a|Socket Filters
T1206|3|Sudo Caching
T1207|4|Rogue Domain Controller
T1208|5|Kerberoasting
T1209|2|Time Providers
T1210|7|Exploitation of Remote Services
T1211|4|Exploitation for Defense Evasion
T1212|5|Exploitation for Credential Access
T1213|8|Data from Information Repositories
T1213.001|8|Confluence
T1213.002|8|Sharepoint
T1213.003|8|Code Repositories
T1213.004|8|Customer Relationship Management Software
T1213.005|8|Messaging Applications
T1213.006|8|Databases
T1214|5|Credentials in Registry
T1215|2|Kernel Modules and Extensions
T1216|4|System Script Proxy Execution
T1216.001|4|PubPrn
T1216.002|4|SyncAppvPublishingServer
T1217|6|Browser Information Discovery
T1218|4|System Binary Proxy Execution
T1218.001|4|Compiled HTML File
T1218.002|4|Control Panel
T1218.003|4|CMSTP
T1218.004|4|InstallUtil
T1218.005|4|Mshta
T1218.007|4|Msiexec
T1218.008|4|Odbcconf
T1218.009|4|Regsvcs/Regasm
T1218.010|4|Regsvr32
T1218.011|4|Rundll32
T1218.012|4|Verclsid
T1218.013|4|Mavinject
T1218.014|4|MMC
T1218.015|4|Electron Applications
T1219|a|Remote Access Tools
T1219.001|a|IDE Tunneling
T1219.002|a|Remote Desktop Software
T1219.003|a|Remote Access Hardware
T1220|4|XSL Script Processing
T1221|4|Template Injection
T1222|4|File and Directory Permissions Modification
T1222.001|4|Windows File and Directory Permissions Modification
T1222.002|4|Linux and Mac File and Directory Permissions Modification
T1223|14|Compiled HTML File
T1480|4|Execution Guardrails
T1480.001|4|Environmental Keying
T1480.002|4|Mutual Exclusion
T1482|6|Domain Trust Discovery
T1483|a|Domain Generation Algorithms
T1484|34|Domain or Tenant Policy Modification
T1484.001|34|Group Policy Modification
T1484.002|34|Trust Modification
T1485|b|Data Destruction
T1485.001|b|Lifecycle-Triggered Deletion
T1486|b|Data Encrypted for Impact
T1487|b|Disk Structure Wipe
T1488|b|Disk Content Wipe
T1489|b|Service Stop
T1490|b|Inhibit System Recovery
T1491|b|Defacement
T1491.001|b|Internal Defacement
T1491.002|b|External Defacement
T1492|b|Stored Data Manipulation
T1493|b|Transmitted Data Manipulation
T1494|b|Runtime Data Manipulation
T1495|b|Firmware Corruption
T1496|b|Resource Hijacking
T1496.001|b|Compute Hijacking
T1496.002|b|Bandwidth Hijacking
T1496.003|b|SMS Pumping
T1496.004|b|Cloud Service Hijacking
T1497|46|Virtualization/Sandbox Evasion
T1497.001|46|System Checks
T1497.002|46|User Activity Based Checks
T1497.003|46|Time Based Checks
T1498|b|Network Denial of Service
T1498.001|b|Direct Network Flood
T1498.002|b|Reflection Amplification
T1499|b|Endpoint Denial of Service
T1499.001|b|OS Exhaustion Flood
T1499.002|b|Service Exhaustion Flood
T1499.003|b|Application Exhaustion Flood
T1499.004|b|Application or System Exploitation
T1500|4|Compile After Delivery
T1501|2|Systemd Service
T1502|34|Parent PID Spoofing
T1503|5|Credentials from Web Browsers
T1504|23|PowerShell Profile
T1505|2|Server Software Component
T1505.001|2|SQL Stored Procedures
T1505.002|2|Transport Agent
T1505.003|2|Web Shell
T1505.004|2|IIS Components
T1505.005|2|Terminal Services DLL
T1505.006|2|vSphere Installation Bundles
T1506|47|Web Session Cookie
T1514|3|Elevated Execution with Prompt
T1518|6|Software Discovery
T1518.001|6|Security Software Discovery
T1518.002|6|Backup Software Discovery
T1519|23|Emond
T1522|5|Cloud Instance Metadata API
T1525|2|Implant Internal Image
T1526|6|Cloud Service Discovery
T1527|47|Application Access Token
T1528|5|Steal Application Access Token
T1529|b|System Shutdown/Reboot
T1530|8|Data from Cloud Storage
T1531|b|Account Access Removal
T1534|7|Internal Spearphishing
T1535|4|Unused/Unsupported Cloud Regions
T1536|4|Revert Cloud Instance
T1537|9|Transfer Data to Cloud Account
T1538|6|Cloud Service Dashboard
T1539|5|Steal Web Session Cookie
T1542|24|Pre-OS Boot
T1542.001|24|System Firmware
T1542.002|24|Component Firmware
T1542.003|24|Bootkit
T1542.004|24|ROMMONkit
T1542.005|24|TFTP Boot
T1543|23|Create or Modify System Process
T1543.001|23|Launch Agent
T1543.002|23|Systemd Service
T1543.003|23|Windows Service
T1543.004|23|Launch Daemon
T1543.005|23|Container Service
T1546|23|Event Triggered Execution
T1546.001|23|Change Default File Association
T1546.002|23|Screensaver
T1546.003|23|Windows Management Instrumentation Event Subscription
T1546.004|23|Unix Shell Configuration Modification
T1546.005|23|Trap
T1546.006|23|LC_LOAD_DYLIB Addition
T1546.007|23|Netsh Helper DLL
T1546.008|23|Accessibility Features
T1546.009|23|AppCert DLLs
T1546.010|23|AppInit DLLs
T1546.011|23|Application Shimming
T1546.012|23|Image File Execution Options Injection
T1546.013|23|PowerShell Profile
T1546.014|23|Emond
T1546.015|23|Component Object Model Hijacking
T1546.016|23|Installer Packages
T1546.017|23|Udev Rules
T1546.018|23|Python Startup Hooks
T1547|23|Boot or Logon Autostart Execution
T1547.001|23|Registry Run Keys / Startup Folder
T1547.002|23|Authentication Package
T1547.003|23|Time Providers
T1547.004|23|Winlogon Helper DLL
T1547.005|23|Security Support Provider
T1547.006|23|Kernel Modules and Extensions
T1547.007|23|Re-opened Applications
T1547.008|23|LSASS Driver
T1547.009|23|Shortcut Modification
T1547.010|23|Port Monitors
T1547.011|23|Plist Modification
T1547.012|23|Print Processors
T1547.013|23|XDG Autostart Entries
T1547.014|23|Active Setup
T1547.015|23|Login Items
T1548|34|Abuse Elevation Control Mechanism
T1548.001|34|Setuid and Setgid
T1548.002|34|Bypass User Account Control
T1548.003|34|Sudo and Sudo Caching
T1548.004|34|Elevated Execution with Prompt
T1548.005|34|Temporary Elevated Cloud Access
T1548.006|34|TCC Manipulation
T1550|47|Use Alternate Authentication Material
T1550.001|47|Application Access Token
T1550.002|47|Pass the Hash
T1550.003|47|Pass the Ticket
T1550.004|47|Web Session Cookie
T1552|5|Unsecured Credentials
T1552.001|5|Credentials In Files
T1552.002|5|Credentials in Registry
T1552.003|5|Shell History
T1552.004|5|Private Keys
T1552.005|5|Cloud Instance Metadata API
T1552.006|5|Group Policy Preferences
T1552.007|5|Container API
T1552.008|5|Chat Messages
T1553|4|Subvert Trust Controls
T1553.001|4|Gatekeeper Bypass
T1553.002|4|Code Signing
T1553.003|4|SIP and Trust Provider Hijacking
T1553.004|4|Install Root Certificate
T1553.005|4|Mark-of-the-Web Bypass
T1553.006|4|Code Signing Policy Modification
T1554|2|Compromise Host Software Binary
T1555|5|Credentials from Password Stores
T1555.001|5|Keychain
T1555.002|5|Securityd Memory
T1555.003|5|Credentials from Web Browsers
T1555.004|5|Windows Credential Manager
T1555.005|5|Password Managers
T1555.006|5|Cloud Secrets Management Stores
T1556|245|Modify Authentication Process
T1556.001|245|Domain Controller Authentication
T1556.002|245|Password Filter DLL
T1556.003|245|Pluggable Authentication Modules
T1556.004|245|Network Device Authentication
T1556.005|245|Reversible Encryption
T1556.006|245|Multi-Factor Authentication
T1556.007|245|Hybrid Identity
T1556.008|245|Network Provider DLL
T1556.009|245|Conditional Access Policies
T1557|58|Adversary-in-the-Middle
T1557.001|58|LLMNR/NBT-NS Poisoning and SMB Relay
T1557.002|58|ARP Cache Poisoning
T1557.003|58|DHCP Spoofing
T1557.004|58|Evil Twin
T1558|5|Steal or Forge Kerberos Tickets
T1558.001|5|Golden Ticket
T1558.002|5|Silver Ticket
T1558.003|5|Kerberoasting
T1558.004|5|AS-REP Roasting
T1558.005|5|Ccache Files
T1559|1|Inter-Process Communication
T1559.001|1|Component Object Model
T1559.002|1|Dynamic Data Exchange
T1559.003|1|XPC Services
T1560|8|Archive Collected Data
T1560.001|8|Archive via Utility
T1560.002|8|Archive via Library
T1560.003|8|Archive via Custom Method
T1561|b|Disk Wipe
T1561.001|b|Disk Content Wipe
T1561.002|b|Disk Structure Wipe
T1562|4|Impair Defenses
T1562.001|4|Disable or Modify Tools
T1562.002|4|Disable Windows Event Logging
T1562.003|4|Impair Command History Logging
T1562.004|4|Disable or Modify System Firewall
T1562.006|4|Indicator Blocking
T1562.007|4|Disable or Modify Cloud Firewall
T1562.008|4|Disable or Modify Cloud Logs
T1562.009|4|Safe Mode Boot
T1562.010|4|Downgrade Attack
T1562.011|4|Spoof Security Alerting
T1562.012|4|Disable or Modify Linux Audit System
T1562.013|4|Disable or Modify Network Device Firewall
T1563|7|Remote Service Session Hijacking
T1563.001|7|SSH Hijacking
T1563.002|7|RDP Hijacking
T1564|4|Hide Artifacts
T1564.001|4|Hidden Files and Directories
T1564.002|4|Hidden Users
T1564.003|4|Hidden Window
T1564.004|4|NTFS File Attributes
T1564.005|4|Hidden File System
T1564.006|4|Run Virtual Instance
T1564.007|4|VBA Stomping
T1564.008|4|Email Hiding Rules
T1564.009|4|Resource Forking
T1564.010|4|Process Argument Spoofing
T1564.011|4|Ignore Process Interrupts
T1564.012|4|File/Path Exclusions
T1564.013|4|Bind Mounts
T1564.014|4|Extended Attributes
T1565|b|Data Manipulation
T1565.001|b|Stored Data Manipulation
T1565.002|b|Transmitted Data Manipulation
T1565.003|b|Runtime Data Manipulation
T1566|0|Phishing
T1566.001|0|Spearphishing Attachment
T1566.002|0|Spearphishing Link
T1566.003|0|Spearphishing via Service
T1566.004|0|Spearphishing Voice
T1567|9|Exfiltration Over Web Service
T1567.001|9|Exfiltration to Code Repository
T1567.002|9|Exfiltration to Cloud Storage
T1567.003|9|Exfiltration to Text Storage Sites
T1567.004|9|Exfiltration Over Webhook
T1568|a|Dynamic Resolution
T1568.001|a|Fast Flux DNS
T1568.002|a|Domain Generation Algorithms
T1568.003|a|DNS Calculation
T1569|1|System Services
T1569.001|1|Launchctl
T1569.002|1|Service Execution
T1569.003|1|Systemctl
T1570|7|Lateral Tool Transfer
T1571|a|Non-Standard Port
T1572|a|Protocol Tunneling
T1573|a|Encrypted Channel
T1573.001|a|Symmetric Cryptography
T1573.002|a|Asymmetric Cryptography
T1574|234|Hijack Execution Flow
T1574.001|234|DLL
T1574.002|234|DLL Side-Loading
T1574.004|234|Dylib Hijacking
T1574.005|234|Executable Installer File Permissions Weakness
T1574.006|234|Dynamic Linker Hijacking
T1574.007|234|Path Interception by PATH Environment Variable
T1574.008|234|Path Interception by Search Order Hijacking
T1574.009|234|Path Interception by Unquoted Path
T1574.010|234|Services File Permissions Weakness
T1574.011|234|Services Registry Permissions Weakness
T1574.012|234|COR_PROFILER
T1574.013|234|KernelCallbackTable
T1574.014|234|AppDomainManager
T1578|4|Modify Cloud Compute Infrastructure
T1578.001|4|Create Snapshot
T1578.002|4|Create Cloud Instance
T1578.003|4|Delete Cloud Instance
T1578.004|4|Revert Cloud Instance
T1578.005|4|Modify Cloud Compute Configurations
T1580|6|Cloud Infrastructure Discovery
T1583|c|Acquire Infrastructure
T1583.001|c|Domains
T1583.002|c|DNS Server
T1583.003|c|Virtual Private Server
T1583.004|c|Server
T1583.005|c|Botnet
T1583.006|c|Web Services
T1583.007|c|Serverless
T1583.008|c|Malvertising
T1584|c|Compromise Infrastructure
T1584.001|c|Domains
T1584.002|c|DNS Server
T1584.003|c|Virtual Private Server
T1584.004|c|Server
T1584.005|c|Botnet
T1584.006|c|Web Services
T1584.007|c|Serverless
T1584.008|c|Network Devices
T1585|c|Establish Accounts
T1585.001|c|Social Media Accounts
T1585.002|c|Email Accounts
T1585.003|c|Cloud Accounts
T1586|c|Compromise Accounts
T1586.001|c|Social Media Accounts
T1586.002|c|Email Accounts
T1586.003|c|Cloud Accounts
T1587|c|Develop Capabilities
T1587.001|c|Malware
T1587.002|c|Code Signing Certificates
T1587.003|c|Digital Certificates
T1587.004|c|Exploits
T1588|c|Obtain Capabilities
T1588.001|c|Malware
T1588.002|c|Tool
T1588.003|c|Code Signing Certificates
T1588.004|c|Digital Certificates
T1588.005|c|Exploits
T1588.006|c|Vulnerabilities
T1588.007|c|Artificial Intelligence
T1589|d|Gather Victim Identity Information
T1589.001|d|Credentials
T1589.002|d|Email Addresses
T1589.003|d|Employee Names
T1590|d|Gather Victim Network Information
T1590.001|d|Domain Properties
T1590.002|d|DNS
T1590.003|d|Network Trust Dependencies
T1590.004|d|Network Topology
T1590.005|d|IP Addresses
T1590.006|d|Network Security Appliances
T1591|d|Gather Victim Org Information
T1591.001|d|Determine Physical Locations
T1591.002|d|Business Relationships
T1591.003|d|Identify Business Tempo
T1591.004|d|Identify Roles
T1592|d|Gather Victim Host Information
T1592.001|d|Hardware
T1592.002|d|Software
T1592.003|d|Firmware
T1592.004|d|Client Configurations
T1593|d|Search Open Websites/Domains
T1593.001|d|Social Media
T1593.002|d|Search Engines
T1593.003|d|Code Repositories
T1594|d|Search Victim-Owned Websites
T1595|d|Active Scanning
T1595.001|d|Scanning IP Blocks
T1595.002|d|Vulnerability Scanning
T1595.003|d|Wordlist Scanning
T1596|d|Search Open Technical Databases
T1596.001|d|DNS/Passive DNS
T1596.002|d|WHOIS
T1596.003|d|Digital Certificates
T1596.004|d|CDNs
T1596.005|d|Scan Databases
T1597|d|Search Closed Sources
T1597.001|d|Threat Intel Vendors
T1597.002|d|Purchase Technical Data
T1598|d|Phishing for Information
T1598.001|d|Spearphishing Service
T1598.002|d|Spearphishing Attachment
T1598.003|d|Spearphishing Link
T1598.004|d|Spearphishing Voice
T1599|4|Network Boundary Bridging
T1599.001|4|Network Address Translation Traversal
T1600|4|Weaken Encryption
T1600.001|4|Reduce Key Space
T1600.002|4|Disable Crypto Hardware
T1601|4|Modify System Image
T1601.001|4|Patch System Image
T1601.002|4|Downgrade System Image
T1602|8|Data from Configuration Repository
T1602.001|8|SNMP (MIB Dump)
T1602.002|8|Network Device Configuration Dump
T1606|5|Forge Web Credentials
T1606.001|5|Web Cookies
T1606.002|5|SAML Tokens
T1608|c|Stage Capabilities
T1608.001|c|Upload Malware
T1608.002|c|Upload Tool
T1608.003|c|Install Digital Certificate
T1608.004|c|Drive-by Target
T1608.005|c|Link Target
T1608.006|c|SEO Poisoning
T1609|1|Container Administration Command
T1610|14|Deploy Container
T1611|3|Escape to Host
T1612|4|Build Image on Host
T1613|6|Container and Resource Discovery
T1614|6|System Location Discovery
T1614.001|6|System Language Discovery
T1615|6|Group Policy Discovery
T1619|6|Cloud Storage Object Discovery
T1620|4|Reflective Code Loading
T1621|5|Multi-Factor Authentication Request Generation
T1622|46|Debugger Evasion
T1647|4|Plist File Modification
T1648|1|Serverless Execution
T1649|5|Steal or Forge Authentication Certificates
T1650|c|Acquire Access
T1651|1|Cloud Administration Command
T1652|6|Device Driver Discovery
T1653|2|Power Settings
T1654|6|Log Enumeration
T1656|4|Impersonation
T1657|b|Financial Theft
T1659|0a|Content Injection
T1665|a|Hide Infrastructure
T1666|4|Modify Cloud Resource Hierarchy
T1667|b|Email Bombing
T1668|2|Exclusive Control
T1669|0|Wi-Fi Networks
T1671|2|Cloud Application Integration
T1672|4|Email Spoofing
T1673|6|Virtual Machine Discovery
T1674|1|Input Injection
T1675|1|ESXi Administration Command
T1677|1|Poisoned Pipeline Execution
T1678|4|Delay Execution
T1679|4|Selective Exclusion
T1680|6|Local Storage Discovery
T1681|d|Search Threat Vendor Data
"""
